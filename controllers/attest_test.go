package controllers

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"testing"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
	"github.com/datasetaudit/dataset-audit/internal/evidence"
	"github.com/datasetaudit/dataset-audit/test/audits"
)

// The operator signs what an audit came to, again whenever that changes, and whatever somebody writes in its place.
func TestEvidence(t *testing.T) {
	l := newLab(t)
	_, private, err := ed25519.GenerateKey(rand.Reader)
	l.must(err)
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	l.must(err)
	l.evidence, err = evidence.ReadKey(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}))
	l.must(err)
	l.start()
	audit := audits.New("cars")
	audit.Spec.Policy = policyRules(v1alpha1.PolicyRule{Name: "no-leakage", Expression: "layer.leakage.samples == 0", Severity: v1alpha1.SeverityFail})
	l.apply(audit)
	l.succeeds(l.pod())
	got := l.ready("cars")
	record := &v1alpha1.AuditRecord{}
	record.Namespace, record.Name = l.namespace, baseName("cars", got.Status.Run.ID)+v1alpha1.RecordSuffix
	says := func(want, outcome string) {
		t.Helper()
		l.eventually("the evidence says "+want, func() error {
			l.must(l.admin.Get(l.ctx, client.ObjectKeyFromObject(record), record))
			statement, err := l.evidence.Open(l.ctx, []byte(record.Evidence))
			if err != nil {
				return err
			}
			p := statement.Predicate
			if p.Verdict.Compliant != want || len(p.Verdict.Rules) != 1 || string(p.Verdict.Rules[0].Outcome) != outcome || p.Verdict.Rules[0].Expression == "" ||
				p.Summary.SHA256 != got.Status.Result.SummarySHA256 || statement.DatasetDigest() != "sha256:00" || p.Run.ID != got.Status.Run.ID || p.Operator != "v9" {
				return fmt.Errorf("%+v", statement)
			}
			return nil
		})
	}
	says("False", "Violated")
	l.update("cars", func(a *v1alpha1.DatasetAudit) { a.Spec.Policy.Rules[0].Expression = "layer.leakage.samples == 3" })
	says("True", "Fulfilled")
	for _, forged := range []string{"", "{}", record.Evidence[:len(record.Evidence)-20] + `AAAAAAAAAAAAAAAA"}]}`} {
		record.Evidence = forged
		l.must(l.admin.Update(l.ctx, record))
		says("True", "Fulfilled")
	}
}
