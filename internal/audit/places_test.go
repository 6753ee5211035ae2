package audit

import (
	"testing"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
	"github.com/datasetaudit/dataset-audit/test/audits"
)

// In pods, datasets of other claims lie at the same location, and what an image holds is not told by its files' times.
func TestDatasetOrigin(t *testing.T) {
	claim := func(name string) v1alpha1.DatasetSource {
		return v1alpha1.DatasetSource{PersistentVolumeClaim: &v1alpha1.ClaimSource{ClaimName: name, Path: "cars"}}
	}
	image := v1alpha1.DatasetSource{Image: &v1alpha1.ImageSource{Reference: "registry/cars:v1", Path: "cars"}}
	origin := func(run string, source v1alpha1.DatasetSource) string {
		audit := audits.New("cars")
		audit.Spec.Dataset.Source = source
		r := Run{ID: run, Audit: audit, Dataset: "/dataset/cars"}
		return r.datasetOrigin("/dataset/cars")
	}
	if origin("a", claim("one")) == origin("a", claim("two")) {
		t.Error("two claims are one place")
	}
	if origin("a", claim("one")) != origin("b", claim("one")) {
		t.Error("the next run reads a claim again")
	}
	this, other := origin("a", image), origin("a", image)
	if this != other || this == origin("b", image) {
		t.Error("an image's samples are known in the next run, or not by the other pods of this one")
	}
	pinned := v1alpha1.DatasetSource{Image: &v1alpha1.ImageSource{Reference: "registry/cars@sha256:00", Path: "cars"}}
	if origin("a", pinned) != origin("b", pinned) {
		t.Error("the next run reads an image again that is named by its digest")
	}
}
