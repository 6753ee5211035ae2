package evidence

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/secure-systems-lab/go-securesystemslib/dsse"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
	"github.com/datasetaudit/dataset-audit/test/audits"
)

// pems are a key as PEM: private in each form that is read, and public.
func pems(t *testing.T, key crypto.Signer) (private, public []byte) {
	t.Helper()
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	pkix, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}), pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: pkix})
}

func signers(t *testing.T) map[string]crypto.Signer {
	t.Helper()
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return map[string]crypto.Signer{"ECDSA": ec, "Ed25519": ed}
}

func audited() *v1alpha1.DatasetAudit {
	audit := audits.New("cars")
	audit.Namespace, audit.UID, audit.Generation = "vision", "u", 2
	audit.Status.Result = &v1alpha1.ResultStatus{
		RunID: "r", Generation: 2, CompletedAt: metav1.NewTime(time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)), SummarySHA256: strings.Repeat("5", 64),
		Summary: &v1alpha1.AuditSummary{
			Run:     v1alpha1.SummaryRun{InputSHA256: strings.Repeat("1", 64)},
			Dataset: v1alpha1.SummaryDataset{Samples: 1000, Location: "s3://lake/cars", Digest: "sha256:" + strings.Repeat("d", 64)},
			Model:   &v1alpha1.SummaryModel{SHA256: strings.Repeat("e", 64)},
		},
	}
	audit.Status.History = []v1alpha1.RunRecord{{ID: "q", RequestedBy: "eve"}, {ID: "r", Trigger: v1alpha1.TriggerRequested, RequestedBy: "ada"}}
	audit.Status.Conditions = []metav1.Condition{{Type: v1alpha1.ConditionCompliant, Status: metav1.ConditionFalse, Reason: v1alpha1.ReasonViolated}}
	audit.Status.Rules = []v1alpha1.RuleStatus{{Name: "no-leakage", Severity: v1alpha1.SeverityFail, Outcome: v1alpha1.RuleViolated, Message: "3"}}
	return audit
}

// What is sealed can be opened by the public key alone, and by any verifier of DSSE; nothing that was changed can.
func TestSeal(t *testing.T) {
	rules := []v1alpha1.PolicyRule{{Name: "no-leakage", Expression: "layer.leakage.samples == 0"}}
	statement := Of(audited(), rules, "v1")
	payload, err := statement.Payload()
	if err != nil {
		t.Fatal(err)
	}
	for name, signer := range signers(t) {
		t.Run(name, func(t *testing.T) {
			private, public := pems(t, signer)
			key, err := ReadKey(private)
			if err != nil || !key.CanSign() {
				t.Fatal(err)
			}
			sealed, err := key.Seal(t.Context(), payload)
			if err != nil {
				t.Fatal(err)
			}
			verifies, err := ReadKey(public)
			if err != nil || verifies.CanSign() {
				t.Fatal(err)
			}
			got, err := verifies.Open(t.Context(), sealed)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(statement, got); diff != "" || got.DatasetDigest() != "sha256:"+strings.Repeat("d", 64) || got.Predicate.Verdict.Rules[0].Expression != rules[0].Expression ||
				got.Predicate.Run.Trigger != v1alpha1.TriggerRequested || got.Predicate.Run.RequestedBy != "ada" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if known, err := verifies.Unseal(t.Context(), sealed); err != nil || !bytes.Equal(known, payload) {
				t.Errorf("%v: %s", err, known)
			}
			foreign, err := dsse.NewEnvelopeVerifier(standard{signer.Public()})
			if err != nil {
				t.Fatal(err)
			}
			envelope := &dsse.Envelope{}
			if err := json.Unmarshal(sealed, envelope); err != nil {
				t.Fatal(err)
			}
			if _, err := foreign.Verify(t.Context(), envelope); err != nil {
				t.Errorf("another verifier: %v", err)
			}

			for what, change := range map[string]func(e *dsse.Envelope){
				"the verdict":   func(e *dsse.Envelope) { e.Payload = swap(t, e.Payload, `"False"`, `"True"`) },
				"the digest":    func(e *dsse.Envelope) { e.Payload = swap(t, e.Payload, "dddd", "dddc") },
				"the type":      func(e *dsse.Envelope) { e.PayloadType = "text/plain" },
				"the signature": func(e *dsse.Envelope) { e.Signatures[0].Sig = "AAAA" + e.Signatures[0].Sig[4:] },
				"no signature":  func(e *dsse.Envelope) { e.Signatures = nil },
			} {
				changed := *envelope
				changed.Signatures = append([]dsse.Signature{}, envelope.Signatures...)
				change(&changed)
				data, err := json.Marshal(changed)
				if err != nil {
					t.Fatal(err)
				}
				if _, err := verifies.Open(t.Context(), data); err == nil {
					t.Errorf("%s was changed, and is accepted", what)
				}
			}
			_, other := pems(t, signers(t)[name])
			stranger, err := ReadKey(other)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := stranger.Open(t.Context(), sealed); err == nil {
				t.Error("another key accepts it")
			}
		})
	}
}

func swap(t *testing.T, payload, before, after string) string {
	t.Helper()
	e := dsse.Envelope{Payload: payload}
	plain, err := e.DecodeB64Payload()
	if err != nil || !bytes.Contains(plain, []byte(before)) {
		t.Fatalf("%v: no %s in %s", err, before, plain)
	}
	data, err := json.Marshal(bytes.Replace(plain, []byte(before), []byte(after), 1))
	if err != nil {
		t.Fatal(err)
	}
	return strings.Trim(string(data), `"`)
}

// standard verifies by the standard library alone, as another program would.
type standard struct{ public crypto.PublicKey }

func (s standard) Verify(_ context.Context, data, sig []byte) error {
	return (&Key{public: s.public}).Verify(context.Background(), data, sig)
}
func (s standard) KeyID() (string, error)   { return "", nil }
func (s standard) Public() crypto.PublicKey { return s.public }

// One status gives one statement, and none without results of the present spec.
func TestOf(t *testing.T) {
	first, err := Of(audited(), nil, "v1").Payload()
	if err != nil {
		t.Fatal(err)
	}
	again, err := Of(audited(), nil, "v1").Payload()
	if err != nil || !bytes.Equal(first, again) {
		t.Errorf("%v: another statement of the same status", err)
	}
	for name, change := range map[string]func(*v1alpha1.DatasetAudit){
		"no results":         func(a *v1alpha1.DatasetAudit) { a.Status.Result = nil },
		"of an earlier spec": func(a *v1alpha1.DatasetAudit) { a.Generation = 3 },
		"not judged":         func(a *v1alpha1.DatasetAudit) { a.Status.Conditions = nil },
		"no digest":          func(a *v1alpha1.DatasetAudit) { a.Status.Result.Summary.Dataset.Digest = "" },
	} {
		audit := audited()
		change(audit)
		if s := Of(audit, nil, "v1"); s != nil {
			t.Errorf("%s: %+v", name, s)
		}
	}
}

// What is no key is refused, with what to do.
func TestReadKey(t *testing.T) {
	weak, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	private, _ := pems(t, weak)
	for name, test := range map[string]struct{ pem, want string }{
		"nothing":   {"", "not PEM"},
		"encrypted": {"-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED SIGSTORE PRIVATE KEY-----\n", "neither encrypted"},
		"damaged":   {"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "can't be read"},
		"RSA":       {string(private), "ECDSA and Ed25519"},
	} {
		if _, err := ReadKey([]byte(test.pem)); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzOpen(f *testing.F) {
	_, public := func() ([]byte, []byte) {
		_, key, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			f.Fatal(err)
		}
		pkix, err := x509.MarshalPKIXPublicKey(key.Public())
		if err != nil {
			f.Fatal(err)
		}
		return nil, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: pkix})
	}()
	key, err := ReadKey(public)
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte(`{"payloadType":"application/vnd.in-toto+json","payload":"e30=","signatures":[{"sig":"AAAA"}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		if s, err := key.Open(context.Background(), data); err == nil {
			t.Errorf("nobody signed %+v", s)
		}
	})
}
