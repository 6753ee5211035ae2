package main

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
	"github.com/datasetaudit/dataset-audit/internal/evidence"
	"github.com/datasetaudit/dataset-audit/test/audits"
	"github.com/datasetaudit/dataset-audit/test/needs"
)

// Evidence holds as long as envelope, summary and dataset are what they were.
func TestVerify(t *testing.T) {
	needs.Runtime(t)
	f := newFixture(t)
	if code, _, stderr := run(t, f.audit(f.path("out"))...); code != 0 {
		t.Fatalf("exit %d: %s", code, stderr)
	}
	content := f.read(t, "out/"+v1alpha1.FileSummary)
	summary := &v1alpha1.AuditSummary{}
	if err := json.Unmarshal(content, summary); err != nil {
		t.Fatal(err)
	}
	seal := func(name string, key *evidence.Key, compliant metav1.ConditionStatus) {
		t.Helper()
		audit := audits.New("cars")
		audit.Namespace = "vision"
		audit.Status.Result = &v1alpha1.ResultStatus{RunID: "r", Summary: summary, SummarySHA256: fmt.Sprintf("%x", sha256.Sum256(content))}
		audit.Status.Conditions = []metav1.Condition{{Type: v1alpha1.ConditionCompliant, Status: compliant, Reason: "RulesViolated"}}
		audit.Status.Rules = []v1alpha1.RuleStatus{{Name: "leaks", Severity: v1alpha1.SeverityFail, Outcome: v1alpha1.RuleViolated, Message: "layer.leakage.samples = 3"}}
		payload, err := evidence.Of(audit, []v1alpha1.PolicyRule{{Name: "leaks", Expression: "layer.leakage.samples == 0"}}, "v1").Payload()
		if err != nil {
			t.Fatal(err)
		}
		sealed, err := key.Seal(t.Context(), payload)
		if err != nil {
			t.Fatal(err)
		}
		f.write(t, name, sealed)
	}
	key := func(name string) *evidence.Key {
		t.Helper()
		_, private, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		pkix, err := x509.MarshalPKIXPublicKey(private.Public())
		if err != nil {
			t.Fatal(err)
		}
		f.write(t, name, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: pkix}))
		pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
		if err != nil {
			t.Fatal(err)
		}
		k, err := evidence.ReadKey(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}))
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	ours := key("ours.pub")
	key("theirs.pub")
	seal("evidence.json", ours, metav1.ConditionFalse)
	seal("compliant.json", ours, metav1.ConditionTrue)
	verify := func(want v1alpha1.ExitCode, says, file, public string, more ...string) {
		t.Helper()
		code, stdout, stderr := run(t, append([]string{"verify", f.path(file), "--key", f.path(public)}, more...)...)
		if code != int(want) || !strings.Contains(stdout+stderr, says) {
			t.Errorf("%s, %v: exit %d: %s%s", file, more, code, stdout, stderr)
		}
	}
	dataset := []string{"--dataset", f.path("images"), "-f", f.path("audit.yaml")}
	verify(0, "Holds: signature\n", "evidence.json", "ours.pub")
	verify(0, "Holds: signature, results, dataset\n", "evidence.json", "ours.pub", append(dataset, "--results", f.path("out"))...)
	verify(0, "Violated leaks (Fail): layer.leakage.samples == 0. layer.leakage.samples = 3\n", "evidence.json", "ours.pub")
	verify(0, "Compliant: True", "compliant.json", "ours.pub", "--compliant")
	verify(v1alpha1.ExitNotCompliant, "not compliant", "evidence.json", "ours.pub", "--compliant")
	verify(v1alpha1.ExitDigestMismatch, "no evidence of this key", "evidence.json", "theirs.pub")
	verify(v1alpha1.ExitDigestMismatch, "no evidence of this key", "audit.yaml", "ours.pub")
	verify(v1alpha1.ExitInvalidUsage, "not PEM", "evidence.json", "audit.yaml")
	verify(v1alpha1.ExitInvalidUsage, "no such file", "absent.json", "ours.pub")
	verify(v1alpha1.ExitInvalidUsage, "--results", "evidence.json", "ours.pub", "--results", f.path("images"))

	f.write(t, "evidence.json", []byte(strings.Replace(string(f.read(t, "evidence.json")), `"payload":"ey`, `"payload":"ez`, 1)))
	verify(v1alpha1.ExitDigestMismatch, "its signature does not hold", "evidence.json", "ours.pub")
	pairs := f.read(t, "out/"+v1alpha1.FilePairs)
	f.write(t, "out/"+v1alpha1.FilePairs, pairs[:len(pairs)-1])
	verify(v1alpha1.ExitDigestMismatch, "pairs.csv has the SHA-256", "compliant.json", "ours.pub", "--results", f.path("out"))
	f.write(t, "out/"+v1alpha1.FilePairs, pairs)
	verify(0, "signature, results", "compliant.json", "ours.pub", "--results", f.path("out"))
	f.write(t, "out/"+v1alpha1.FileSummary, append(content, ' '))
	verify(v1alpha1.ExitDigestMismatch, "it was changed, or is of another run", "compliant.json", "ours.pub", "--results", f.path("out"))
	f.write(t, "images/train/cat/new.png", f.read(t, f.sample(0)))
	verify(v1alpha1.ExitDigestMismatch, "it has changed since", "compliant.json", "ours.pub", dataset...)
}
