package duplicates_test

import (
	"context"
	"fmt"

	"github.com/datasetaudit/dataset-audit/internal/duplicates"
)

// embeddings are rows of two numbers.
type embeddings []float32

func (e embeddings) Dimensions() int     { return 2 }
func (e embeddings) Row(i int) []float32 { return e[2*i : 2*i+2] }

// Three pictures of one thing, one of which is a test sample, and two others.
func ExampleFind() {
	x := embeddings{1, 0, 1, 0.01, 1, 0, 0, 1, -1, 0}
	samples := []duplicates.Sample{
		{Index: 0, ID: "train/a.png", Split: "train"}, {Index: 1, ID: "train/b.png", Split: "train"}, {Index: 2, ID: "test/c.png", Split: "test"},
		{Index: 3, ID: "train/d.png", Split: "train"}, {Index: 4, ID: "test/e.png", Split: "test"},
	}
	reduced := make([]float64, len(x)) // here without a reduction
	for i, v := range x {
		reduced[i] = float64(v)
	}
	found, err := duplicates.Find(context.Background(), samples, reduced, 2, x, duplicates.Options{
		Neighbors: 3, Strategy: duplicates.Cosine{Similarity: 0.99}, MaxClusterSize: 50, EvaluationSplits: []string{"test"},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, cluster := range found.Clusters {
		fmt.Println("cluster:", cluster.Rows())
	}
	fmt.Printf("exact copies: %d, leaking test samples: %d, effective size: %d of %d\n",
		found.ExactCopies, found.Leakage.Samples, found.Total.EffectiveSize, found.Total.Samples)
	// Output:
	// cluster: [0 2 1]
	// exact copies: 1, leaking test samples: 1, effective size: 3 of 5
}
