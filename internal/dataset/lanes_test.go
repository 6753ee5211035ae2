package dataset

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/parquet-go/parquet-go"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
)

// written opens a dataset of one Parquet file.
func written[T any](t *testing.T, name string, rows []T, spec v1alpha1.DatasetSpec, options ...parquet.WriterOption) *Dataset {
	t.Helper()
	dir := t.TempDir()
	if err := parquet.WriteFile(filepath.Join(dir, name), rows, options...); err != nil {
		t.Fatal(err)
	}
	return mustOpen(t, openBucket(t, dir), spec)
}

// Splits that alternate within a row group, or lie in the wrong order in it, cost each sample nothing: it has its own
// row.
func TestParquetRowsGoBack(t *testing.T) {
	type row struct {
		ID    string    `parquet:"id"`
		Split string    `parquet:"split"`
		Vec   []float32 `parquet:"vec,list"`
	}
	for name, splits := range map[string][]string{
		"train first": {"train", "train", "test", "test"}, "alternating": {"test", "train", "train", "test", "train", "test", "train", "test"},
	} {
		for _, size := range []int64{1, 3, 100} {
			t.Run(fmt.Sprint(name, " by ", size), func(t *testing.T) {
				var rows []row
				for i := range 40 {
					rows = append(rows, row{fmt.Sprint(i), splits[i%len(splits)], []float32{float32(i), 1}})
				}
				d := written(t, "embeddings.parquet", rows, v1alpha1.DatasetSpec{Format: v1alpha1.FormatEmbeddings}, parquet.MaxRowsPerRowGroup(size))
				read := 0
				for s, err := range d.Samples(t.Context(), 0, d.Len()) {
					if err != nil || s.Err != nil {
						t.Fatal(err, s.Err)
					}
					if fmt.Sprint(s.Vector[0]) != s.ID || len(s.Vector) != 2 {
						t.Errorf("sample %s has vector %v", s.ID, s.Vector)
					}
					read++
				}
				if read != len(rows) {
					t.Errorf("%d samples", read)
				}
			})
		}
	}
}

// A file's only row group is opened once, however many batches it is read in, and few groups stay open of which a part
// is read.
func TestParquetLanes(t *testing.T) {
	type row struct {
		Image []byte `parquet:"image"`
	}
	rows := slices.Repeat([]row{{make([]byte, 4000)}}, 600)
	for size, index := range map[int64]func(i int) bool{1000: func(int) bool { return true }, 10: func(i int) bool { return i%10 == 0 }} {
		d := written(t, "train.parquet", rows, v1alpha1.DatasetSpec{Format: v1alpha1.FormatParquet}, parquet.MaxRowsPerRowGroup(size))
		source, closing := d.listing.source.(*parquetSource).session()
		defer closing()
		var open *parquetColumn
		opened := 0
		for i := range d.Len() {
			if !index(i) {
				continue
			}
			e := d.entries[i]
			if _, err := source.read(t.Context(), []entry{e}); err != nil {
				t.Fatal(err)
			}
			if lane := source.(*parquetSource).open.lanes[source.lane(&e)]; lane.in.column != nil && lane.in.column != open {
				open = lane.in.column
				opened++
			}
		}
		if size == 1000 && opened != 1 {
			t.Errorf("the only row group was opened %d times", opened)
		}
		if n := len(source.(*parquetSource).open.lanes); n > maxIdleLanes {
			t.Errorf("%d lanes stay open", n)
		}
	}
}

// A label of a pickle may hold itself.
func TestPickledLabelHoldsItself(t *testing.T) {
	pickle := "}X\x04\x00\x00\x00datacnumpy\nx\n)R(K\x01K\x01M\x00\x0c\x86cnumpy\ndtype\nX\x02\x00\x00\x00u1\x85R\x89B\x00\x0c\x00\x00" +
		strings.Repeat("\x00", 3072) + "tbsX\x06\x00\x00\x00labels]}q\x00X\x01\x00\x00\x00ah\x00sas."
	_, err := Open(t.Context(), bucketOf(t, map[string]string{"data_batch_1": pickle}), v1alpha1.DatasetSpec{Format: v1alpha1.FormatCIFAR}, "")
	wantInvalid(t, err, "label 0 is of type map[string]interface {}")
}
