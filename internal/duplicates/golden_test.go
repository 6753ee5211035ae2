package duplicates

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"math"
	"os"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/datasetaudit/dataset-audit/test/needs"
)

// strategies by their names in the golden files.
var strategies = map[string]Strategy{
	"Slope(5)": Slope{5}, "Slope(20)": Slope{20}, "Slope(3)": Slope{3},
	"Percentile(99.5)": Percentile{99.5}, "Percentile(98.5)": Percentile{98.5},
}

type goldenResult struct {
	Threshold float64
	Clusters  []struct {
		Mean, Std float64
		Members   []int
	}
	Links [][2]int
}

// The cars' golden components give the golden clusters and links, member for member, for every threshold.
func TestGoldenClusters(t *testing.T) {
	files := map[string]string{
		"exact_pca.json":             "cars_exact_pca_40.npy",
		"exact_incremental_pca.json": "cars_exact_incremental_pca_40.npy",
	}
	for results, components := range files {
		var want map[string]goldenResult
		if err := json.Unmarshal(readGolden(t, results), &want); err != nil {
			t.Fatal(err)
		}
		for name, strategy := range strategies {
			t.Run(results+"/"+name, func(t *testing.T) {
				reduced := goldenMatrix(t, components)
				o := Options{Neighbors: 10, Strategy: strategy, MaxClusterSize: 50, Threads: 2}
				got, err := Find(context.Background(), plain(1000), reduced, 40, rowsOf(reduced, 40), o)
				if err != nil {
					t.Fatal(err)
				}
				compare(t, want[name], got)
			})
		}
	}
}

func compare(t *testing.T, want goldenResult, got *Result) {
	t.Helper()
	near := func(what string, got, want float64) {
		if math.Abs(got-want) > 1e-6*math.Abs(want)+1e-12 {
			t.Errorf("%s: got %v, want %v", what, got, want)
		}
	}
	near("threshold", got.Threshold.Distance, want.Threshold)
	var links [][2]int
	for _, l := range got.Links {
		links = append(links, [2]int{l.A, l.B})
	}
	if diff := cmp.Diff(want.Links, links); diff != "" {
		t.Errorf("links (-want +got):\n%s", diff)
	}
	if len(got.Clusters) != len(want.Clusters) {
		t.Fatalf("%d clusters, want %d", len(got.Clusters), len(want.Clusters))
	}
	for i, c := range got.Clusters {
		members := c.Rows()
		slices.Sort(members)
		if diff := cmp.Diff(want.Clusters[i].Members, members); diff != "" {
			t.Errorf("cluster %d (-want +got):\n%s", i, diff)
		}
		near("mean", c.Mean, want.Clusters[i].Mean)
		near("std", c.Std, want.Clusters[i].Std)
	}
}

func plain(n int) []Sample {
	samples := make([]Sample, n)
	for i := range samples {
		samples[i] = Sample{Index: i}
	}
	return samples
}

func readGolden(t *testing.T, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(needs.Shared(t, "golden/"+name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// goldenMatrix reads the 1000×40 float64 at the end of an npy file, row by row.
func goldenMatrix(t *testing.T, name string) []float64 {
	t.Helper()
	npy := readGolden(t, name)
	values := make([]float64, 1000*40)
	if err := binary.Read(bytes.NewReader(npy[len(npy)-8*len(values):]), binary.LittleEndian, values); err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(npy[:128], []byte("'fortran_order': True")) {
		return values
	}
	rows := make([]float64, 0, len(values))
	for i := range 1000 {
		for c := range 40 {
			rows = append(rows, values[c*1000+i])
		}
	}
	return rows
}
