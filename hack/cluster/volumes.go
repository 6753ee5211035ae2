package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"time"
)

// volumeCount is how many claims can be bound at once.
const volumeCount = 30

// volumes are folders that both nodes see, for claims of any access mode: local volumes, since those take on the group
// of a pod.
func volumes(folder string) string {
	text := `apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata:
  name: standard
  annotations: {storageclass.kubernetes.io/is-default-class: "true"}
provisioner: kubernetes.io/no-provisioner
volumeBindingMode: WaitForFirstConsumer
`
	for i := range volumeCount {
		name := volumeName(i)
		text += fmt.Sprintf(`---
apiVersion: v1
kind: PersistentVolume
metadata: {name: %[1]s}
spec:
  storageClassName: standard
  persistentVolumeReclaimPolicy: Retain
  capacity: {storage: 10Gi}
  accessModes: [ReadWriteOnce, ReadWriteMany, ReadOnlyMany]
  local: {path: %[2]q}
  nodeAffinity: {required: {nodeSelectorTerms: [{matchExpressions: [{key: kubernetes.io/os, operator: In, values: [linux]}]}]}}
`, name, filepath.Join(folder, name))
	}
	return text
}

func volumeName(i int) string { return fmt.Sprintf("volume-%02d", i) }

func (c *cluster) makeVolumes(ctx context.Context) error {
	for i := range volumeCount {
		if err := os.MkdirAll(c.path("volumes", volumeName(i)), 0o777); err != nil {
			return err
		}
	}
	return c.apply(ctx, volumes(c.path("volumes")))
}

// persistentVolume is what recycling needs of one.
type persistentVolume struct {
	Metadata struct{ Name string }
	Spec     struct{ Local struct{ Path string } }
	Status   struct{ Phase string }
}

// recycle empties volumes whose claims are gone and offers them again, as a provisioner with reclaim policy Delete
// would.
func (c *cluster) recycle(ctx context.Context) error {
	pair, err := tls.LoadX509KeyPair(c.path("pki", "volumes.crt"), c.path("pki", "volumes.key"))
	if err != nil {
		return err
	}
	authority, err := os.ReadFile(c.path("pki", "ca.crt"))
	if err != nil {
		return err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(authority)
	api := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{
		TLSClientConfig: &tls.Config{Certificates: []tls.Certificate{pair}, RootCAs: roots, MinVersion: tls.VersionTLS12},
	}}
	for {
		if err := c.recycleOnce(ctx, api); err != nil {
			say("volumes: %v", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(time.Second):
		}
	}
}

func (c *cluster) recycleOnce(ctx context.Context, api *http.Client) error {
	var list struct{ Items []persistentVolume }
	answer, err := request(ctx, api, http.MethodGet, "", "")
	if err != nil {
		return err
	}
	if err := json.Unmarshal(answer, &list); err != nil {
		return err
	}
	for _, volume := range list.Items {
		if volume.Status.Phase != "Released" || filepath.Dir(volume.Spec.Local.Path) != c.path("volumes") {
			continue
		}
		entries, err := os.ReadDir(volume.Spec.Local.Path)
		if err != nil {
			return err
		}
		for _, entry := range entries {
			if err := os.RemoveAll(filepath.Join(volume.Spec.Local.Path, entry.Name())); err != nil {
				return err
			}
		}
		if _, err := request(ctx, api, http.MethodPatch, "/"+volume.Metadata.Name, `{"spec":{"claimRef":null}}`); err != nil {
			return err
		}
	}
	return nil
}

func request(ctx context.Context, api *http.Client, method, path, body string) ([]byte, error) {
	url := "https://" + nodes[0].Address + ":" + apiServerPort + "/api/v1/persistentvolumes" + path
	r, err := http.NewRequestWithContext(ctx, method, url, bytes.NewBufferString(body))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/merge-patch+json")
	response, err := api.Do(r)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if response.StatusCode != http.StatusOK {
		err = errors.New(response.Status)
	}
	return answer, err
}
