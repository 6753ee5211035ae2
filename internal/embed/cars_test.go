package embed

import (
	"bytes"
	"context"
	"encoding/binary"
	"math"
	"os"
	"testing"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
	"github.com/datasetaudit/dataset-audit/internal/dataset"
	"github.com/datasetaudit/dataset-audit/internal/storage"
	"github.com/datasetaudit/dataset-audit/internal/vectors"
	"github.com/datasetaudit/dataset-audit/test/needs"
)

func mobileNet(layers ...string) *v1alpha1.ModelSpec {
	return &v1alpha1.ModelSpec{
		Layers:        layers,
		Preprocessing: v1alpha1.PreprocessingSpec{Preset: v1alpha1.PresetMobileNet},
		Pooling:       v1alpha1.PoolingSpec{Method: v1alpha1.PoolingMax},
	}
}

func openDataset(t testing.TB, folder string, spec v1alpha1.DatasetSpec) *dataset.Dataset {
	t.Helper()
	bucket, err := storage.Open(context.Background(), folder)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = bucket.Close() })
	d, err := dataset.Open(context.Background(), bucket, spec, "")
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func openNetwork(t testing.TB, path string, spec *v1alpha1.ModelSpec) *Network {
	t.Helper()
	network, err := OpenNetwork(path, spec, v1alpha1.ProviderCPU)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = network.Close() })
	return network
}

// openStore opens the store of a network in a folder.
func openStore(t testing.TB, dir string, n *Network, d *dataset.Dataset) *vectors.Store {
	t.Helper()
	store, err := vectors.Open(t.Context(), vectors.Options{
		Folder: dir, Recipe: Recipe(n, &v1alpha1.DatasetAuditSpec{Model: &v1alpha1.ModelSpec{}}), Layers: n.Layers, N: d.Len(), Place: placesOf(d),
	})
	if err != nil {
		t.Fatal(err)
	}
	return store
}

func placesOf(d *dataset.Dataset) func(i int) vectors.Place {
	return Places("here", d, &v1alpha1.DatasetSpec{})
}

// jobOf embeds all of a dataset.
func jobOf(d *dataset.Dataset, n *Network, store *vectors.Store) Job {
	return Job{Dataset: d, Store: store, Network: n, To: d.Len(), Threads: 2}
}

// embedAll runs a job over the whole dataset and opens its vectors.
func embedAll(t testing.TB, d *dataset.Dataset, n *Network, threads int) *vectors.Set {
	t.Helper()
	job := jobOf(d, n, openStore(t, t.TempDir(), n, d))
	job.Threads = threads
	if _, err := job.Run(context.Background()); err != nil {
		t.Fatal(err)
	}
	return readAll(t, job)
}

func readAll(t testing.TB, j Job) *vectors.Set {
	t.Helper()
	set, err := j.Store.Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(set.Close)
	return set
}

func cars(t testing.TB, samples int64) *dataset.Dataset {
	return openDataset(t, needs.Shared(t, "cifar10"), v1alpha1.DatasetSpec{
		Format: v1alpha1.FormatImageFolder, Splits: []string{"train"}, Labels: []string{"automobile"}, MaxSamples: &samples,
	})
}

// The notebook's cars through MobileNet give the golden embeddings.
func TestGoldenCars(t *testing.T) {
	needs.Runtime(t)
	npy, err := os.ReadFile(needs.Shared(t, "golden/cars_conv_pw_13_max.npy"))
	if err != nil {
		t.Fatal(err)
	}
	const n, d = 128, 1024
	want := make([]float32, n*d)
	if err := binary.Read(bytes.NewReader(npy[len(npy)-4*1000*d:]), binary.LittleEndian, want); err != nil {
		t.Fatal(err)
	}
	network := openNetwork(t, needs.Shared(t, "mobilenet_v1_1.0_224.onnx"), mobileNet("conv_pw_13"))
	got := embedAll(t, cars(t, n), network, 2).Layer(0)
	for i := range n {
		difference, norm := 0.0, 0.0
		for c, x := range got.Row(i) {
			difference += math.Pow(float64(x-want[i*d+c]), 2)
			norm += math.Pow(float64(want[i*d+c]), 2)
		}
		if relative := math.Sqrt(difference / norm); relative > 1e-4 {
			t.Errorf("sample %d differs by %.2g of its norm", i, relative)
		}
	}
}

// Two layers read at once are what each is alone, but for rounding: ONNX Runtime may fuse another set of nodes.
func TestTwoLayersAtOnce(t *testing.T) {
	needs.Runtime(t)
	path := needs.Shared(t, "mobilenet_v1_1.0_224.onnx")
	d := cars(t, 24)
	layers := []string{"conv_pw_12", "conv_pw_13"}
	both := embedAll(t, d, openNetwork(t, path, mobileNet(layers...)), 2)
	for i, layer := range layers {
		alone := embedAll(t, d, openNetwork(t, path, mobileNet(layer)), 2).Layer(0)
		for row := range alone.Len() {
			for c, x := range both.Layer(i).Row(row) {
				if math.Abs(float64(x-alone.Row(row)[c])) > 1e-5 {
					t.Fatalf("%s, sample %d, number %d: %g alone, %g beside", layer, row, c, alone.Row(row)[c], x)
				}
			}
		}
	}
}
