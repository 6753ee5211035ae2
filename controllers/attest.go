package controllers

import (
	"bytes"
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
	"github.com/datasetaudit/dataset-audit/internal/evidence"
)

// attest signs what the stored status says of the results, into the run's AuditRecord, unless that says so already. It is
// the operator that signs, and not the run: its key is nowhere that a tenant's pod can read.
func (r *Reconciler) attest(ctx context.Context, audit *v1alpha1.DatasetAudit, p *plan) error {
	if r.Evidence == nil || p.status.Result == nil || p.stale {
		return nil
	}
	said := audit.DeepCopy()
	said.Status = p.status
	statement := evidence.Of(said, p.rules, r.Version)
	if statement == nil {
		return nil
	}
	payload, err := statement.Payload()
	if err != nil {
		return err
	}
	record := &v1alpha1.AuditRecord{}
	name := types.NamespacedName{Namespace: audit.Namespace, Name: baseName(audit.Name, p.status.Result.RunID) + v1alpha1.RecordSuffix}
	if err := r.Get(ctx, name, record); err != nil {
		if client.IgnoreNotFound(err) == nil {
			return nil // of an earlier version, or removed with an old run
		}
		return fmt.Errorf("get the AuditRecord: %w", err)
	}
	if known, err := r.Evidence.Unseal(ctx, []byte(record.Evidence)); err == nil && bytes.Equal(known, payload) {
		return nil
	}
	sealed, err := r.Evidence.Seal(ctx, payload)
	if err != nil {
		return err
	}
	before := record.DeepCopy()
	record.Evidence = string(sealed)
	err = r.Patch(ctx, record, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{}))
	if err = client.IgnoreNotFound(err); err != nil {
		return fmt.Errorf("write the evidence: %w", err)
	}
	return nil
}
