package pca_test

import (
	"context"
	"fmt"

	"github.com/datasetaudit/dataset-audit/internal/pca"
)

// points are rows of two numbers.
type points []float32

func (p points) Len() int        { return len(p) / 2 }
func (p points) Dimensions() int { return 2 }

func (p points) Read(from int, dst []float32) { copy(dst, p[2*from:]) }

// Points near a line lose little when they are reduced to one dimension.
func ExampleExact() {
	ctx := context.Background()
	rows := points{0, 0, 2, 1, 4, 2, 6, 3, 8, 4}
	model, err := pca.Exact(ctx, rows, 1, 1, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	reduced, err := model.Transform(ctx, rows, 1, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%.3f of the variance, rows at %.2f\n", model.Variances[0]/model.TotalVariance, reduced)
	// Output: 1.000 of the variance, rows at [-4.47 -2.24 0.00 2.24 4.47]
}
