package evidence

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"

	"github.com/secure-systems-lab/go-securesystemslib/dsse"
)

// PayloadType is that of statements in envelopes.
const PayloadType = "application/vnd.in-toto+json"

// MaxEnvelope bounds an envelope, in bytes.
const MaxEnvelope = 4 << 20

// Key signs or verifies, by ECDSA over SHA-256 or by Ed25519, as cosign does.
type Key struct {
	public  crypto.PublicKey
	private crypto.Signer // nil for one that only verifies
	id      string
}

// ReadKey reads a key from PEM: a private one in PKCS #8 or SEC 1, or a public one.
func ReadKey(data []byte) (*Key, error) {
	block, _ := pem.Decode(data)
	if block == nil {
		return nil, errors.New("the key is not PEM")
	}
	var parsed any
	var err error
	switch block.Type {
	case "PRIVATE KEY":
		parsed, err = x509.ParsePKCS8PrivateKey(block.Bytes)
	case "EC PRIVATE KEY":
		parsed, err = x509.ParseECPrivateKey(block.Bytes)
	case "PUBLIC KEY":
		parsed, err = x509.ParsePKIXPublicKey(block.Bytes)
	default:
		return nil, fmt.Errorf("the key is a %.40q: give a PRIVATE KEY (PKCS #8) to sign, or a PUBLIC KEY to verify, neither encrypted", block.Type)
	}
	if err != nil {
		return nil, fmt.Errorf("the key can't be read: %w", err)
	}
	k := &Key{public: parsed}
	if signer, ok := parsed.(crypto.Signer); ok {
		k.private, k.public = signer, signer.Public()
	}
	switch k.public.(type) {
	case *ecdsa.PublicKey, ed25519.PublicKey:
	default:
		return nil, fmt.Errorf("the key is a %T: ECDSA and Ed25519 are known", k.public)
	}
	if k.id, err = dsse.SHA256KeyID(k.public); err != nil {
		return nil, fmt.Errorf("the key has no ID: %w", err)
	}
	return k, nil
}

// CanSign says whether the key is a private one.
func (k *Key) CanSign() bool { return k.private != nil }

// Sign implements dsse.Signer.
func (k *Key) Sign(_ context.Context, data []byte) ([]byte, error) {
	if k.private == nil {
		return nil, errors.New("a public key signs nothing")
	}
	if _, plain := k.public.(ed25519.PublicKey); plain {
		return k.private.Sign(rand.Reader, data, crypto.Hash(0))
	}
	digest := sha256.Sum256(data)
	return k.private.Sign(rand.Reader, digest[:], crypto.SHA256)
}

// Verify implements dsse.Verifier.
func (k *Key) Verify(_ context.Context, data, signature []byte) error {
	good := false
	switch public := k.public.(type) {
	case ed25519.PublicKey:
		good = ed25519.Verify(public, data, signature)
	case *ecdsa.PublicKey:
		digest := sha256.Sum256(data)
		good = ecdsa.VerifyASN1(public, digest[:], signature)
	}
	if !good {
		return errors.New("the signature is not of this key")
	}
	return nil
}

// KeyID implements dsse.Signer and dsse.Verifier.
func (k *Key) KeyID() (string, error) { return k.id, nil }

// Public implements dsse.Verifier.
func (k *Key) Public() crypto.PublicKey { return k.public }

// Payload is the statement as it is signed: what is equal need not be signed again.
func (s *Statement) Payload() ([]byte, error) {
	payload, err := json.Marshal(s)
	if err != nil {
		return nil, fmt.Errorf("statement: %w", err)
	}
	return payload, nil
}

// Seal signs a statement's payload, and returns the envelope.
func (k *Key) Seal(ctx context.Context, payload []byte) ([]byte, error) {
	signer, err := dsse.NewEnvelopeSigner(k)
	if err != nil {
		return nil, fmt.Errorf("evidence: %w", err)
	}
	envelope, err := signer.SignPayload(ctx, PayloadType, payload)
	if err != nil {
		return nil, fmt.Errorf("evidence: sign: %w", err)
	}
	data, err := json.Marshal(envelope)
	if err != nil {
		return nil, fmt.Errorf("evidence: %w", err)
	}
	return data, nil
}

// Open returns the statement of an envelope, if the key has signed it.
func (k *Key) Open(ctx context.Context, data []byte) (*Statement, error) {
	payload, err := k.Unseal(ctx, data)
	if err != nil {
		return nil, err
	}
	return parse(payload)
}

// Unseal returns the payload of an envelope, if the key has signed it.
func (k *Key) Unseal(ctx context.Context, data []byte) ([]byte, error) {
	envelope := &dsse.Envelope{}
	if err := json.Unmarshal(data, envelope); err != nil {
		return nil, fmt.Errorf("it is no envelope: %w", err)
	}
	if envelope.PayloadType != PayloadType {
		return nil, fmt.Errorf("it holds a %.100q, not a statement", envelope.PayloadType)
	}
	verifier, err := dsse.NewEnvelopeVerifier(k)
	if err != nil {
		return nil, fmt.Errorf("evidence: %w", err)
	}
	if _, err := verifier.Verify(ctx, envelope); err != nil {
		return nil, fmt.Errorf("its signature does not hold: %w", err)
	}
	payload, err := envelope.DecodeB64Payload()
	if err != nil {
		return nil, fmt.Errorf("its payload can't be read: %w", err)
	}
	return payload, nil
}
