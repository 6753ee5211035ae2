// Package embed turns the images of a dataset into vectors: decode, preprocess, run the model up to the layers asked
// for, and store what they say.
//
// The stages run at once and memory is bounded: one goroutine reads in the dataset's order, several decode into
// batches, several run the model, one writes. A batch is the samples [bB, (b+1)B) of the dataset's order whatever the
// shards and threads, one thread runs it from end to end, and nothing in a row depends on other rows: so the vectors
// are the same bytes however the work was divided, interrupted and resumed.
package embed
