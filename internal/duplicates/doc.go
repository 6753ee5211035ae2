// Package duplicates finds the near duplicates among N reduced embeddings and says what they mean: clusters and their
// statistics, leakage between splits, label conflicts, effective sizes, and which copies to keep.
//
// The method is that of DNIKit's Duplicates (Apple, 2.0.0): columns scaled to unit norm, k nearest neighbors, one distance
// threshold taken from the curve of all neighbor distances, clusters as connected components of the links below it. It
// differs where DNIKit is wrong or approximate: neighbors are exact, and identical embeddings are one vector in the search (k
// counts distinct vectors), so that many copies of a sample neither crowd out its neighbors nor lose each other.
package duplicates
