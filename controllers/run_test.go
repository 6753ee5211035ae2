package controllers

import (
	"strings"
	"testing"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
	"github.com/datasetaudit/dataset-audit/test/audits"
)

// What belongs to which hash.
func TestInputHash(t *testing.T) {
	audit := audits.New("cars")
	same := audit.DeepCopy()
	same.Spec.Policy = policyRules(v1alpha1.PolicyRule{Name: "x"})
	same.Spec.Runner.Image = "other"
	same.Spec.Suspend = true
	if inputHash(&same.Spec) != inputHash(&audit.Spec) {
		t.Error("what changes no finding changes the hash")
	}
	storage := audit.DeepCopy()
	storage.Spec.Dataset.Source = v1alpha1.DatasetSource{ObjectStorage: &v1alpha1.ObjectStorage{URL: "s3://data", SecretRef: &v1alpha1.SecretReference{Name: "a"}}}
	other := storage.DeepCopy()
	other.Spec.Dataset.Source.ObjectStorage.SecretRef.Name = "b"
	if inputHash(&storage.Spec) != inputHash(&other.Spec) || runnerHash(&storage.Spec) == runnerHash(&other.Spec) {
		t.Error("a Secret's name belongs to how the pods run, not to what they find")
	}
}

// A change of whatever decides what is found starts a run, and of nothing else.
func TestInputHashOfEveryField(t *testing.T) {
	audit := audits.New("cars")
	for path, changed := range audits.Changes(&audit.Spec) {
		decides := v1alpha1.FieldDecides(path)
		if decides != v1alpha1.DecidesAccess && inputHash(changed) == inputHash(&audit.Spec) { // TestInputHash has Secrets
			t.Errorf("%s decides %s, and a change of it starts no run", path, decides)
		}
	}
}

// The baseline, references and the verdicts change the findings.
func TestOtherAudits(t *testing.T) {
	audit := audits.New("cars")
	before := inputHash(&audit.Spec)
	audit.Spec.Baseline = &v1alpha1.BaselineSource{ObjectStorage: &v1alpha1.ObjectStorage{URL: "s3://audits/a"}}
	compared := inputHash(&audit.Spec)
	audit.Spec.Duplicates.Verdicts = &v1alpha1.VerdictsSource{ConfigMap: &v1alpha1.ConfigMapKey{Name: "review"}}
	if reviewed := inputHash(&audit.Spec); before == compared || compared == reviewed {
		t.Errorf("the hashes are %s, %s with a baseline, %s with verdicts too", before, compared, reviewed)
	}
	reviewed := inputHash(&audit.Spec)
	reference := v1alpha1.ReferenceSpec{Name: "bench", Source: v1alpha1.ReferenceSource{ObjectStorage: &v1alpha1.ObjectStorage{URL: "s3://a/b", SecretRef: &v1alpha1.SecretReference{Name: "one"}}}}
	audit.Spec.References = []v1alpha1.ReferenceSpec{reference}
	referred := inputHash(&audit.Spec)
	audit.Spec.References[0].Source.ObjectStorage.SecretRef.Name = "two"
	if referred == reviewed || referred != inputHash(&audit.Spec) {
		t.Errorf("the hashes are %s, %s with a reference, %s with another Secret", reviewed, referred, inputHash(&audit.Spec))
	}
}

// TestNames stay DNS labels with a pod's suffix, whatever the audit is called.
func TestNames(t *testing.T) {
	for _, name := range []string{"a", strings.Repeat("a", 63), strings.Repeat("a", 35) + "-b", strings.Repeat("a", 36)} {
		for _, s := range []step{stepEmbed, stepNeighbors, stepAudit} {
			if job := jobName(name, "0123456789", s); len(job) > 57 || strings.Contains(job, "--") {
				t.Errorf("%s becomes %s", name, job)
			}
		}
	}
}
