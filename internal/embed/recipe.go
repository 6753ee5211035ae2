package embed

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"runtime"
	"runtime/debug"
	"slices"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
	"github.com/datasetaudit/dataset-audit/internal/dataset"
	"github.com/datasetaudit/dataset-audit/internal/quality"
	"github.com/datasetaudit/dataset-audit/internal/vectors"
)

// decoderModules hold code that turns files into pixels.
var decoderModules = []string{
	"golang.org/x/image", "github.com/klauspost/compress", "github.com/gen2brain/avif", "github.com/gen2brain/jpegxl", "github.com/tetratelabs/wazero",
}

// decoders are the versions of the libraries whose code turns files into pixels.
func decoders() []string {
	versions := []string{runtime.Version()}
	if build, ok := debug.ReadBuildInfo(); ok {
		for _, module := range build.Deps {
			if slices.Contains(decoderModules, module.Path) {
				versions = append(versions, module.Version)
			}
		}
	}
	return versions
}

// schemeVersion is raised when this package or the decoders change what a vector is, or what is recorded beside it.
const schemeVersion = 6

// Recipe stands for everything that decides the vectors of a sample but its bytes: what computes them, and how. The
// network is nil for a dataset of embeddings.
func Recipe(n *Network, spec *v1alpha1.DatasetAuditSpec) vectors.Digest {
	parts := map[string]any{"scheme": schemeVersion}
	if n != nil {
		fields, err := spec.Deciding(v1alpha1.DecidesVectors)
		if err != nil {
			panic(fmt.Sprintf("embed: %v", err)) // a spec, which came as JSON
		}
		parts["fields"] = fields
		parts["model"] = n.Digest
		parts["layers"] = n.Layers
		parts["size"] = []int{n.batch, n.prepare.channels, n.prepare.resizer.Height, n.prepare.resizer.Width}
		parts["alone"] = n.alone
		parts["runtime"] = n.Runtime()
		parts["provider"], parts["device"] = n.Provider, n.Device
		parts["decoders"] = decoders()
		parts["measures"] = quality.Version
	}
	return digestOf(parts)
}

// contentOf names what of a record or file is the sample, where the spec chooses.
func contentOf(spec *v1alpha1.DatasetSpec) string {
	switch {
	case spec.Parquet != nil:
		return spec.Parquet.ImageColumn
	case spec.TFRecord != nil:
		return spec.TFRecord.ImageFeature
	case spec.Embeddings != nil:
		return spec.Embeddings.Array
	}
	return ""
}

// Places returns where each sample of the dataset at location is, and in which version.
func Places(location string, d *dataset.Dataset, spec *v1alpha1.DatasetSpec) func(i int) vectors.Place {
	of := digestOf(map[string]any{"location": location, "format": spec.Format, "content": contentOf(spec)})
	return func(i int) vectors.Place {
		sum := sha256.Sum256(append(of[:], d.Place(i)...))
		return vectors.Place(sum[:len(vectors.Place{})])
	}
}

func digestOf(parts map[string]any) vectors.Digest {
	encoded, err := json.Marshal(parts) // keys sorted
	if err != nil {
		panic(fmt.Sprintf("embed: %v", err)) // strings, numbers and lists of them always encode
	}
	return sha256.Sum256(encoded)
}
