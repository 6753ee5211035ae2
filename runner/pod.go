package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
	"github.com/datasetaudit/dataset-audit/internal/audit"
	"github.com/datasetaudit/dataset-audit/internal/publish"
)

// maxRunID is the bound of summary.run.id.
const maxRunID = 64

// pod is what an audit does besides in a pod of the operator: it tells the controller how it gets on, what it found and
// how it ended. Without its flags, which --help doesn't list, it does nothing.
type pod struct {
	run, result, clusters, record, kubeconfig, termination string

	maps *publish.ConfigMaps // nil without --result-configmap
	live *publish.Progress   // nil without maps
}

func (p *pod) addFlags(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&p.run, "run", "", "in a pod: the run's ID, for the summary")
	flags.StringVar(&p.result, "result-configmap", "", "in a pod: the ConfigMap for progress and summary, in the audit's namespace")
	flags.StringVar(&p.clusters, "clusters-configmap", "", "in a pod: the ConfigMap for the tightest clusters")
	flags.StringVar(&p.record, "record", "", "in a pod: the AuditRecord that says which results were stored")
	flags.StringVar(&p.kubeconfig, "kubeconfig", "", "where the API server with the ConfigMaps is (default: that of the pod)")
	flags.StringVar(&p.termination, terminationFlag, "", "in a pod: the file for how the run ended")
	for _, flag := range []string{"run", "result-configmap", "clusters-configmap", "record", "kubeconfig", terminationFlag} {
		if err := flags.MarkHidden(flag); err != nil {
			panic(err) // the flags were added above
		}
	}
}

// is tells whether the operator started this run.
func (p *pod) is() bool { return p.run != "" || p.result != "" || p.termination != "" }

// follow begins to publish the progress of a run, which is shown as before besides.
func (p *pod) follow(ctx context.Context, run *audit.Run) error {
	switch {
	case len(p.run) > maxRunID:
		return usage(fmt.Errorf("--run: %d bytes, must be at most %d", len(p.run), maxRunID))
	case p.result == "" && (p.clusters != "" || p.record != ""):
		return usage(errors.New("--clusters-configmap and --record: need --result-configmap too"))
	case p.result == "":
		return nil
	case run.Audit.Namespace == "":
		return usage(errors.New("--result-configmap: the audit has no metadata.namespace, which is where the ConfigMap lies"))
	}
	maps := &publish.ConfigMaps{Namespace: run.Audit.Namespace, Result: p.result, Clusters: p.clusters, Record: p.record}
	if err := maps.Connect(p.kubeconfig); err != nil {
		return err
	}
	p.maps = maps
	p.live = maps.Follow(ctx, run.Progress.Note)
	run.Progress = fanOut{run.Progress, p.live}
	return nil
}

// deliver publishes the results of a run that is complete, and says so: in this order, since the controller believes
// what was said.
func (p *pod) deliver(ctx context.Context, run *audit.Run, summary *v1alpha1.AuditSummary) error {
	if p.maps == nil && p.termination == "" {
		return nil
	}
	data, err := publish.ReadSummary(ctx, run.Out)
	if err != nil {
		return err
	}
	said := v1alpha1.TerminationMessage{
		SummarySHA256:    fmt.Sprintf("%x", sha256.Sum256(data)),
		Samples:          summary.Dataset.Samples,
		Clusters:         summary.Layers[0].Clusters,
		DuplicateSamples: summary.Layers[0].DuplicateSamples,
	}
	if p.maps != nil {
		if err := p.publish(ctx, run, data, &said); err != nil {
			return err
		}
	}
	terminate(p.termination, said)
	return nil
}

func (p *pod) publish(ctx context.Context, run *audit.Run, summary []byte, said *v1alpha1.TerminationMessage) error {
	if p.clusters == "" {
		run.Progress.Stage(v1alpha1.StagePublish, 1)
	} else {
		run.Progress.Stage(v1alpha1.StagePublish, 2)
		digest, err := p.maps.WriteClusters(ctx, run.Out)
		if err != nil {
			return err
		}
		said.ClustersSHA256 = digest
		run.Progress.Add(1)
	}
	p.live.Close() // the summary takes the place of the progress
	if err := p.maps.WriteSummary(ctx, summary); err != nil {
		return err
	}
	if p.record != "" {
		if err := p.maps.WriteRecord(ctx, *said); err != nil {
			return err
		}
	}
	run.Progress.Add(1)
	return nil
}
