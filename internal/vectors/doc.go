// Package vectors keeps the embeddings of a dataset on disk: written part by part as they are made, read back as one
// N×D matrix per layer.
//
// A store is a folder of parts. Part p holds the samples [p·R, (p+1)·R) of the dataset's order, R being
// Layout.PartRows, for every layer at once: for each sample its ID, the digest of its bytes and its vectors. A part
// appears whole or not at all (written aside, synced, renamed), so parts are the checkpoints of an embedding run, and
// any set of workers that share the folder may fill it in any order.
//
// A part belongs to one fingerprint: the digest of everything that decides its bytes (dataset listing, model, layers,
// preprocessing, versions, processor). Parts of another fingerprint are treated as absent.
//
// Samples with the same bytes have the same vector: the one of the first of them in the dataset's order. Matrix reads
// resolve this, so it holds whichever worker embedded which copy.
package vectors
