// Package duplicates finds the near duplicates among N reduced embeddings and says what they mean: clusters and their
// statistics, leakage between splits, label conflicts, effective sizes, and which copies to keep.
//
// The method is that of DNIKit's Duplicates (Apple, 2.0.0): columns scaled to unit norm, k nearest neighbors, one
// distance threshold taken from the curve of all neighbor distances, clusters as connected components of the links
// below it. It differs where DNIKit is wrong or approximate: neighbors are exact, and identical embeddings are one
// vector in the search (k counts distinct vectors), so that many copies of a sample neither crowd out its neighbors nor
// lose each other.
//
// Besides, there are:
//
//   - Local (local.go): a method that compares a pair's distance with what is around its two samples, and bounds the share of
//     pairs that are there by chance (Benjamini and Hochberg 1995, doi:10.1111/j.2517-6161.1995.tb02031.x).
//   - Prototypes (prototypes.go): clusters of method Local grow only as long as one sample is linked to all others, so that
//     chains do not form (minimax linkage; Bien and Tibshirani 2011, doi:10.1198/jasa.2011.tm10183).
//   - Inspection (lookalikes.go): a second look at the images of a pair tells how alike look-alikes are, and so which pairs are
//     more alike than that.
//   - Retention (retain.go): which sample of a cluster stays, and which samples stay on one side of a new split.
//   - What is known already (known.go): samples of a baseline, an earlier audit, are compared with and not audited.
//   - What reviewers said (apart.go): pairs that are not copies never get into one cluster.
//   - The preview (preview.go): what the result would be at other thresholds.
package duplicates
