package main

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// identity is who a program of the cluster is.
type identity struct {
	file, name string
	groups     []string
	hosts      []string // of a server
}

func identities() []identity {
	out := []identity{
		{file: "apiserver", name: "kube-apiserver", hosts: []string{
			nodes[0].Address, apiService, "127.0.0.1", "localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc",
			"kubernetes.default.svc.cluster.local",
		}},
		{file: "apiserver-kubelet", name: "kube-apiserver-kubelet-client", groups: []string{"system:masters"}},
		{file: "admin", name: "admin", groups: []string{"system:masters"}},
		{file: "kube-controller-manager", name: "system:kube-controller-manager"},
		{file: "kube-scheduler", name: "system:kube-scheduler"},
		{file: "kube-proxy", name: "system:kube-proxy"},
		{file: "kube-router", name: "kube-router"},
		{file: "dns", name: "dns"},
		{file: "volumes", name: "volumes", groups: []string{"system:masters"}},
	}
	for _, n := range nodes {
		out = append(out, identity{file: n.Name, name: "system:node:" + n.Name, groups: []string{"system:nodes"}})
	}
	return out
}

// writeCertificates makes an authority and, signed by it, a certificate and a kubeconfig for each identity.
func (c *cluster) writeCertificates() error {
	if err := os.Mkdir(c.path("pki"), 0o700); err != nil {
		return err
	}
	authority := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "dataset-audit-cluster"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(1, 0, 0),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	key, err := c.sign("ca", authority, authority, nil)
	if err != nil {
		return err
	}
	for i, id := range identities() {
		certificate := &x509.Certificate{
			SerialNumber: big.NewInt(int64(i) + 2), Subject: pkix.Name{CommonName: id.name, Organization: id.groups},
			NotBefore: authority.NotBefore, NotAfter: authority.NotAfter, KeyUsage: x509.KeyUsageDigitalSignature,
			ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
		}
		for _, host := range id.hosts {
			if ip := net.ParseIP(host); ip != nil {
				certificate.IPAddresses = append(certificate.IPAddresses, ip)
			} else {
				certificate.DNSNames = append(certificate.DNSNames, host)
			}
		}
		if _, err := c.sign(id.file, certificate, authority, key); err != nil {
			return err
		}
		if err := c.writeKubeconfig(id.file); err != nil {
			return err
		}
	}
	if err := os.Rename(c.path("pki", "admin.kubeconfig"), c.kubeconfig()); err != nil {
		return err
	}
	_, err = c.writeKey("service-accounts")
	return err
}

// sign writes FILE.key and FILE.crt. Without a signer the certificate signs itself.
func (c *cluster) sign(file string, certificate, parent *x509.Certificate, signer crypto.Signer) (crypto.Signer, error) {
	key, err := c.writeKey(file)
	if err != nil {
		return nil, err
	}
	if signer == nil {
		signer = key
	}
	der, err := x509.CreateCertificate(rand.Reader, certificate, parent, key.Public(), signer)
	if err != nil {
		return nil, fmt.Errorf("certificate %s: %w", file, err)
	}
	return key, writePEM(c.path("pki", file+".crt"), "CERTIFICATE", der)
}

// writeKey writes FILE.key and FILE.pub.
func (c *cluster) writeKey(file string) (crypto.Signer, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	private, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return nil, err
	}
	public, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return nil, err
	}
	if err := writePEM(c.path("pki", file+".pub"), "PUBLIC KEY", public); err != nil {
		return nil, err
	}
	return key, writePEM(c.path("pki", file+".key"), "EC PRIVATE KEY", private)
}

func writePEM(file, kind string, der []byte) error {
	return os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600)
}

func (c *cluster) writeKubeconfig(file string) error {
	var encoded []any
	for _, name := range []string{"ca.crt", file + ".crt", file + ".key"} {
		data, err := os.ReadFile(c.path("pki", name))
		if err != nil {
			return err
		}
		encoded = append(encoded, base64.StdEncoding.EncodeToString(data))
	}
	text := fmt.Sprintf(`apiVersion: v1
kind: Config
current-context: dataset-audit
clusters:
- name: dataset-audit
  cluster: {server: "https://%s:%s", certificate-authority-data: %s}
users:
- name: dataset-audit
  user: {client-certificate-data: %s, client-key-data: %s}
contexts:
- name: dataset-audit
  context: {cluster: dataset-audit, user: dataset-audit}
`, append([]any{nodes[0].Address, apiServerPort}, encoded...)...)
	return os.WriteFile(filepath.Join(c.path("pki"), file+".kubeconfig"), []byte(text), 0o600)
}
