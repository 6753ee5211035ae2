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
const schemeVersion = 4

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

// Fingerprint stands for everything that decides the vectors of the dataset at location: which samples, what computes
// them, and how. The network is nil for a dataset of embeddings.
func Fingerprint(location string, d *dataset.Dataset, n *Network, spec *v1alpha1.DatasetAuditSpec) vectors.Digest {
	listing := d.ListingDigest()
	parts := map[string]any{
		"scheme": schemeVersion, "location": location, "listing": fmt.Sprintf("%x", listing),
		"format": spec.Dataset.Format, "content": contentOf(&spec.Dataset),
	}
	if n != nil {
		parts["model"] = n.Digest
		parts["layers"] = n.Layers
		parts["pooling"] = spec.Model.Pooling
		parts["preprocessing"] = spec.Model.Preprocessing
		parts["size"] = []int{n.batch, n.prepare.channels, n.prepare.resizer.Height, n.prepare.resizer.Width}
		parts["ignoreOrientation"] = spec.Dataset.IgnoreOrientation
		parts["runtime"] = n.Runtime()
		parts["provider"], parts["device"] = n.Provider, n.Device
		parts["decoders"] = decoders()
	}
	encoded, err := json.Marshal(parts) // keys sorted
	if err != nil {
		panic(fmt.Sprintf("embed: fingerprint: %v", err)) // strings, numbers and lists of them always encode
	}
	return sha256.Sum256(encoded)
}
