// Command kubectl-dataset_audit is the kubectl plugin `kubectl dataset-audit`: it shows audits, opens their reports,
// and starts and waits for runs.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"
	kueue "sigs.k8s.io/kueue/apis/kueue/v1beta2"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
	"github.com/datasetaudit/dataset-audit/internal/text"
)

// version is set by the linker.
var version = "development"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := newCommand().ExecuteContext(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "error:", text.Visible(err.Error()))
		os.Exit(exitCode(err))
	}
}

// notCompliantError says that a wait ended with results that the policy does not allow.
type notCompliantError struct{ message string }

func (e *notCompliantError) Error() string { return "not compliant: " + e.message }

// exitCode tells scripts what went wrong: 2 for results that violate the policy, 1 for everything else.
func exitCode(err error) int {
	if _, ok := errors.AsType[*notCompliantError](err); ok {
		return 2
	}
	return 1
}

// cluster is where the audits are, as kubectl's flags and files say.
type cluster struct {
	rules     *clientcmd.ClientConfigLoadingRules
	overrides clientcmd.ConfigOverrides

	client    client.WithWatch
	namespace string
}

func newCommand() *cobra.Command {
	c := &cluster{rules: clientcmd.NewDefaultClientConfigLoadingRules()}
	root := &cobra.Command{
		Use:           "kubectl dataset-audit",
		Short:         "See what audits of datasets found, and run them",
		Version:       version,
		SilenceUsage:  true,
		SilenceErrors: true,
		Annotations:   map[string]string{cobra.CommandDisplayNameAnnotation: "kubectl dataset-audit"},
	}
	flags := root.PersistentFlags()
	flags.StringVar(&c.rules.ExplicitPath, "kubeconfig", "", "path of the kubeconfig")
	named := clientcmd.RecommendedConfigOverrideFlags("")
	named.ContextOverrideFlags.Namespace.ShortName = "n"
	clientcmd.BindOverrideFlags(&c.overrides, flags, named)
	root.AddCommand(listCommand(c), describeCommand(c), reportCommand(c), clustersCommand(c), evidenceCommand(c), runCommand(c), waitCommand(c), waitsCommand(c))
	for _, command := range root.Commands() {
		command.DisableFlagsInUseLine = true
	}
	return root
}

// connect is done by each command: help needs no cluster.
func (c *cluster) connect() error {
	config := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(c.rules, &c.overrides)
	rest, err := config.ClientConfig()
	if err != nil {
		return err
	}
	if c.namespace, _, err = config.Namespace(); err != nil {
		return err
	}
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{corev1.AddToScheme, v1alpha1.AddToScheme, kueue.AddToScheme} {
		if err := add(scheme); err != nil {
			return err
		}
	}
	c.client, err = client.NewWithWatch(rest, client.Options{Scheme: scheme})
	return err
}

// get reads an audit.
func (c *cluster) get(ctx context.Context, name string) (*v1alpha1.DatasetAudit, error) {
	if err := c.connect(); err != nil {
		return nil, err
	}
	audit := &v1alpha1.DatasetAudit{}
	return audit, c.client.Get(ctx, client.ObjectKey{Namespace: c.namespace, Name: name}, audit)
}

// complete proposes the names of audits.
func (c *cluster) complete(cmd *cobra.Command, args []string, prefix string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 || c.connect() != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	audits := &v1alpha1.DatasetAuditList{}
	if err := c.client.List(cmd.Context(), audits, client.InNamespace(c.namespace)); err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var names []string
	for _, audit := range audits.Items {
		if strings.HasPrefix(audit.Name, prefix) {
			names = append(names, audit.Name)
		}
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}
