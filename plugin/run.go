package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	apiwatch "k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
	"github.com/datasetaudit/dataset-audit/internal/text"
)

func runCommand(c *cluster) *cobra.Command {
	var wait bool
	w := waiter{timeout: time.Hour}
	cmd := &cobra.Command{
		Use: "run NAME", Short: "Request a new run of an audit", Args: cobra.ExactArgs(1), ValidArgsFunction: c.complete,
		RunE: func(cmd *cobra.Command, args []string) error {
			audit, err := c.get(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			if audit.Spec.Suspend {
				return errors.New("spec.suspend is true: no run starts until it is false")
			}
			before := audit.DeepCopy()
			value := time.Now().UTC().Format(time.RFC3339Nano)
			metav1.SetMetaDataAnnotation(&audit.ObjectMeta, v1alpha1.AnnotationRequestedAt, value)
			if err := c.client.Patch(cmd.Context(), audit, client.MergeFrom(before)); err != nil {
				return err
			}
			fmt.Fprintf(cmd.ErrOrStderr(), "A run of %s is requested.\n", audit.Name)
			if !wait {
				return nil
			}
			w.request = value
			return w.wait(cmd.Context(), cmd.ErrOrStderr(), c, args[0])
		},
	}
	cmd.Flags().BoolVar(&wait, "wait", false, "wait until it is over, and fail if it fails")
	w.addFlags(cmd)
	return cmd
}

func waitCommand(c *cluster) *cobra.Command {
	w := waiter{timeout: time.Hour}
	cmd := &cobra.Command{
		Use: "wait NAME", Short: "Wait for an audit's results, and fail if its run fails", Args: cobra.ExactArgs(1), ValidArgsFunction: c.complete,
		Long: "Wait for an audit's results, saying how far it is. Ends with 0 once they are there, with 1 if the run fails, and, with --compliant,\nwith 2 if they don't comply with the audit's policy.",
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := c.connect(); err != nil {
				return err
			}
			return w.wait(cmd.Context(), cmd.ErrOrStderr(), c, args[0])
		},
	}
	w.addFlags(cmd)
	return cmd
}

// waiter follows an audit until its run is over.
type waiter struct {
	timeout   time.Duration
	compliant bool
	// request is the value of the annotation that must be answered first. Empty: none.
	request string
	said    string
}

func (w *waiter) addFlags(cmd *cobra.Command) {
	cmd.Flags().DurationVar(&w.timeout, "timeout", w.timeout, "how long to wait")
	cmd.Flags().BoolVar(&w.compliant, "compliant", false, "also fail, with 2, if the results don't comply with the policy")
}

func (w *waiter) wait(ctx context.Context, out io.Writer, c *cluster, name string) error {
	ctx, cancel := context.WithTimeoutCause(ctx, w.timeout, fmt.Errorf("%s is not over after %s", name, w.timeout))
	defer cancel()
	for {
		// A watch ends when the API server likes, and an API server is away at times: it begins again with what is
		// there.
		over, err := w.follow(ctx, out, c, name)
		if transient, ok := errors.AsType[*transientError](err); ok {
			if w.said != transient.Error() {
				w.said = transient.Error()
				fmt.Fprintln(out, text.Visible(w.said))
			}
			err = nil
		}
		if over || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(time.Second):
		}
	}
}

// transientError is one that says nothing of the audit.
type transientError struct{ error }

// classify tells what a user must correct from what only needs time.
func classify(ctx context.Context, err error) error {
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case apierrors.IsNotFound(err), apierrors.IsForbidden(err), apierrors.IsUnauthorized(err), apierrors.IsInvalid(err), meta.IsNoMatchError(err):
		return err
	}
	return &transientError{err}
}

// follow watches an audit until it is over, or until the watch ends.
func (w *waiter) follow(ctx context.Context, out io.Writer, c *cluster, name string) (over bool, err error) {
	audit := &v1alpha1.DatasetAudit{}
	if err := c.client.Get(ctx, client.ObjectKey{Namespace: c.namespace, Name: name}, audit); err != nil {
		return false, classify(ctx, err)
	}
	if over, err := w.look(out, audit); over || err != nil {
		return over, err
	}
	events, err := c.client.Watch(ctx, &v1alpha1.DatasetAuditList{}, client.InNamespace(c.namespace),
		client.MatchingFieldsSelector{Selector: fields.OneTermEqualSelector("metadata.name", name)},
		&client.ListOptions{Raw: &metav1.ListOptions{ResourceVersion: audit.ResourceVersion}})
	if err != nil {
		return false, classify(ctx, err)
	}
	defer events.Stop()
	for {
		select {
		case <-ctx.Done():
			return false, context.Cause(ctx)
		case event, open := <-events.ResultChan():
			audit, ok := event.Object.(*v1alpha1.DatasetAudit)
			switch {
			case !open || !ok:
				return false, nil
			case event.Type == apiwatch.Deleted:
				return false, fmt.Errorf("%s was deleted", name)
			}
			if over, err := w.look(out, audit); over || err != nil {
				return over, err
			}
		}
	}
}

// look says what is new, and whether all is over.
func (w *waiter) look(out io.Writer, audit *v1alpha1.DatasetAudit) (over bool, err error) {
	ready := condition(audit, v1alpha1.ConditionReady)
	if ready == nil || audit.Status.ObservedGeneration != audit.Generation || w.request != "" && audit.Status.LastHandledRequest != w.request {
		return false, nil
	}
	if said := state(audit) + ": " + ready.Message; said != w.said {
		w.said = said
		fmt.Fprintln(out, text.Visible(said))
	}
	switch {
	case condition(audit, v1alpha1.ConditionStalled) != nil:
		return false, fmt.Errorf("%s: %s", ready.Reason, ready.Message)
	case ready.Status == metav1.ConditionFalse:
		return false, errors.New(ready.Message)
	case ready.Status != metav1.ConditionTrue:
		return false, nil
	}
	compliant := condition(audit, v1alpha1.ConditionCompliant)
	if w.compliant && (compliant == nil || compliant.Status != metav1.ConditionTrue) {
		message := "unknown"
		if compliant != nil {
			message = compliant.Message
		}
		return false, &notCompliantError{message}
	}
	return true, nil
}
