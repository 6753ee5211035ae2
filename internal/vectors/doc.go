// Package vectors keeps embeddings by content: under the digest of a sample's bytes and a recipe, the digest of everything
// else that decides its vectors. So a sample is embedded once, whichever dataset holds it, and wherever in it.
//
// A store is a folder on this machine or in object storage, with a folder for each recipe, and in that parts. A part holds
// the vectors of some contents, for every layer at once, and says of some samples what their content is: a sample is known
// by its place, which is where it was read and in which version. Whoever knows a sample's place need not read it again.
//
// A part appears whole or not at all and never changes, so parts are the checkpoints of an embedding run, and any workers
// that share the store may write them in any order. Several may hold one content: its vectors are the same. A part that is
// damaged counts as absent, and what it held is computed again.
//
// Each use of parts leaves a list of their names beside them. What is old, and in no list of late, is swept.
package vectors
