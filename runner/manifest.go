package main

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"os"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
	"github.com/datasetaudit/dataset-audit/config/crd"
)

// maxManifest bounds what is read of the audit's file: more than crd.Load accepts, so that it is the one to refuse it.
const maxManifest = 2 << 20

// readManifest reads the file of a DatasetAudit, or standard input where it is called -, and says its digest. One that is
// asked for must be it: what was read is what was hashed.
func readManifest(name string, stdin io.Reader, sha string) (data []byte, digest string, err error) {
	in := stdin
	if name != "-" {
		file, err := os.Open(name)
		if err != nil {
			return nil, "", usage(fmt.Errorf("-f: %w", err))
		}
		defer func() { _ = file.Close() }() // was only read
		in = file
	}
	if data, err = io.ReadAll(io.LimitReader(in, maxManifest)); err != nil {
		return nil, "", usage(fmt.Errorf("-f %s: %w", name, err))
	}
	digest = fmt.Sprintf("%x", sha256.Sum256(data))
	if sha != "" && sha != digest {
		return nil, "", v1alpha1.NewRunError(v1alpha1.ExitDigestMismatch, fmt.Errorf(
			"the manifest %s has the SHA-256 %s, and this run was given one with %s: someone replaced it; find out who may delete and create ConfigMaps there, and request a new run", name, digest, sha))
	}
	return data, digest, nil
}

// load reads the manifest, if there is one, and adds what flags say and what is found. Note is told the latter. The
// manifest that comes of it is returned as YAML, too.
func (f *auditFlags) load(ctx context.Context, stdin io.Reader, note func(string)) (spec *v1alpha1.DatasetAudit, digest, manifest string, err error) {
	var data []byte
	switch {
	case f.file != "":
		if data, digest, err = readManifest(f.file, stdin, f.inputSHA256); err != nil {
			return nil, "", "", err
		}
	case f.dataset == "":
		return nil, "", "", usage(errNothing)
	default:
		data = blank(f.dataset)
	}
	spec, err = crd.LoadEdited(data, func(object map[string]any) error {
		if err := f.declared.edit(object); err != nil {
			return err
		}
		if err := f.complete(ctx, object, note); err != nil {
			return err
		}
		manifest, err = manifestOf(object)
		return err
	})
	if err != nil && f.file != "" {
		err = fmt.Errorf("%s: %w", f.file, err)
	}
	if f.file == "" || f.declared.any() {
		digest = fmt.Sprintf("%x", sha256.Sum256([]byte(manifest))) // the file alone is not what runs
	}
	return spec, digest, manifest, err
}
