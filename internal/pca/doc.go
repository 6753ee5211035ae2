// Package pca reduces the dimensions of embeddings by principal components: exactly, or as scikit-learn's
// IncrementalPCA does, which DNIKit uses.
//
// Components are centered and not whitened. Each component's largest loading is positive, so that a fit has one answer.
package pca
