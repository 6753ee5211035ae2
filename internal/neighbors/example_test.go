package neighbors_test

import (
	"context"
	"fmt"

	"github.com/datasetaudit/dataset-audit/internal/neighbors"
)

// The two nearest other rows of each of four points on a line.
func ExampleSearch() {
	points := neighbors.Matrix[float32]{Data: []float32{0, 1, 3, 10}, N: 4, D: 1}
	found, err := neighbors.Search(context.Background(), points, neighbors.Options{K: 2, To: points.N})
	if err != nil {
		fmt.Println(err)
		return
	}
	for row := range points.N {
		fmt.Println(row, found.Index[row*found.K:][:found.K], found.Distance[row*found.K:][:found.K])
	}
	// Output:
	// 0 [1 2] [1 3]
	// 1 [0 2] [1 2]
	// 2 [1 0] [2 3]
	// 3 [2 1] [7 9]
}
