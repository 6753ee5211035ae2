package audit

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
	"github.com/datasetaudit/dataset-audit/internal/vectors"
	"github.com/datasetaudit/dataset-audit/test/audits"
)

// A baseline and a reference say how their vectors were made: each field that decides these is in both, and none that
// says where something lies.
func TestMethodOfEveryField(t *testing.T) {
	audit := audits.New("cars")
	in := &inputs{model: &model{Digest: "d"}, store: &vectors.Store{}}
	of := func(spec *v1alpha1.DatasetAuditSpec) [2]map[string]string {
		r := Run{Audit: &v1alpha1.DatasetAudit{Spec: *spec}}
		return [2]map[string]string{r.recipe(in), r.method(in)}
	}
	before := of(&audit.Spec)
	for path, changed := range audits.Changes(&audit.Spec) {
		decides := v1alpha1.FieldDecides(path)
		if path == "model.layers" { // in files layers have their names
			continue
		}
		after := of(changed)
		for i, file := range []string{"reference", "baseline"} {
			differs := !cmp.Equal(before[i], after[i])
			if decides == v1alpha1.DecidesVectors && !differs || decides == v1alpha1.DecidesInput && differs {
				t.Errorf("%s decides %s, and a %s differs by it: %v", path, decides, file, differs)
			}
		}
	}
}
