package tiff_test

import (
	"testing"

	"github.com/datasetaudit/dataset-audit/internal/images/tiff"
	"github.com/datasetaudit/dataset-audit/test/pictures"
)

func FuzzDecode(f *testing.F) { pictures.Fuzz(f, files, tiff.DecodeConfig, tiff.Decode) }
