package main

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
	"github.com/datasetaudit/dataset-audit/config/crd"
)

// maxManifest bounds what is read of the audit's file: more than crd.Load accepts, so that it is the one to refuse it.
const maxManifest = 2 << 20

// loadAudit reads a DatasetAudit from a file, or from standard input where it is called -, and says its digest. One
// that is asked for must be it: what was read is what was hashed.
func loadAudit(name string, stdin io.Reader, sha string) (_ *v1alpha1.DatasetAudit, digest string, err error) {
	if name == "" {
		return nil, "", usage(errors.New("-f names the DatasetAudit: -f audit.yaml"))
	}
	in := stdin
	if name != "-" {
		file, err := os.Open(name)
		if err != nil {
			return nil, "", usage(fmt.Errorf("-f: %w", err))
		}
		defer func() { _ = file.Close() }() // was only read
		in = file
	}
	data, err := io.ReadAll(io.LimitReader(in, maxManifest))
	if err != nil {
		return nil, "", usage(fmt.Errorf("-f %s: %w", name, err))
	}
	digest = fmt.Sprintf("%x", sha256.Sum256(data))
	if sha != "" && sha != digest {
		return nil, "", v1alpha1.NewRunError(v1alpha1.ExitDigestMismatch, fmt.Errorf(
			"the manifest %s has the SHA-256 %s, and this run was given one with %s: someone replaced it; find out who may delete and create ConfigMaps there, and request a new run", name, digest, sha))
	}
	spec, err := crd.Load(data)
	if err != nil {
		return nil, "", fmt.Errorf("%s: %w", name, err)
	}
	return spec, digest, nil
}
