package publish

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"unicode/utf8"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
	"github.com/datasetaudit/dataset-audit/internal/storage"
)

// ReadSummary returns summary.json as it lies in out, a folder or a URL: what is published, and what the digest in the
// termination message is of, are these very bytes. More than a ConfigMap may hold are refused.
func ReadSummary(ctx context.Context, out string) ([]byte, error) {
	bucket, err := storage.Open(ctx, out)
	if err != nil {
		return nil, coded(ctx, fmt.Errorf("results: %w", err))
	}
	defer func() { _ = bucket.Close() }() // was only read
	data, err := bucket.ReadAll(ctx, v1alpha1.FileSummary, v1alpha1.MaxResultBytes)
	if err == nil && !utf8.Valid(data) {
		err = errors.New("is not UTF-8, so that a ConfigMap can't hold it as it is")
	}
	if err != nil {
		return nil, coded(ctx, fmt.Errorf("results: %s: %w", v1alpha1.FileSummary, err))
	}
	return data, nil
}

// WriteSummary puts summary.json into the result's ConfigMap, in place of the progress.
func (m *ConfigMaps) WriteSummary(ctx context.Context, summary []byte) error {
	return m.write(ctx, m.configMap(m.Result), change{Data: map[string]*string{
		v1alpha1.FileSummary: new(string(summary)), v1alpha1.FileProgress: nil,
	}})
}

// WriteRecord says in the run's AuditRecord what was stored. It is the last thing to be written: from then on the
// results count, whatever becomes of the pod.
func (m *ConfigMaps) WriteRecord(ctx context.Context, said v1alpha1.TerminationMessage) error {
	return m.write(ctx, m.record(), map[string]any{"result": said})
}

// WriteClusters puts the clusters.jsonl that lies in out into the clusters' ConfigMap, compressed; as many of each
// layer's tightest as fit. It returns the SHA-256 of what it wrote, in lower-case hexadecimal.
func (m *ConfigMaps) WriteClusters(ctx context.Context, out string) (digest string, err error) {
	list, err := readTightest(ctx, out)
	if err != nil {
		return "", coded(ctx, fmt.Errorf("results: %s: %w", v1alpha1.FileClusters, err))
	}
	c := change{BinaryData: map[string][]byte{v1alpha1.FileClustersGzip: list.compressed}}
	if list.listed < list.clusters {
		c.Data = map[string]*string{v1alpha1.KeyTruncated: new(fmt.Sprintf(`{"clusters":%d,"listed":%d}`, list.clusters, list.listed))}
	}
	return fmt.Sprintf("%x", sha256.Sum256(list.compressed)), m.write(ctx, m.configMap(m.Clusters), c)
}

func readTightest(ctx context.Context, out string) (clusterList, error) {
	bucket, err := storage.Open(ctx, out)
	if err != nil {
		return clusterList{}, err
	}
	defer func() { _ = bucket.Close() }() // was only read
	file, err := bucket.Open(ctx, v1alpha1.FileClusters)
	if err != nil {
		return clusterList{}, err
	}
	defer func() { _ = file.Close() }() // was only read
	return tightest(file, v1alpha1.MaxClustersBytes)
}
