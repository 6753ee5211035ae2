// Package publish hands a run over to the controller: its progress and its results by way of the two ConfigMaps that
// the controller made for it, and which results they are by the run's AuditRecord and the pod's termination message.
//
// The runner's Role allows get and patch on just these three, so everything is a JSON merge patch of single keys.
package publish

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
)

// fieldManager names the runner as the owner of what it writes, beside the controller, which applies the rest.
const fieldManager = "dataset-audit-runner"

// ConfigMaps are those of one run.
type ConfigMaps struct {
	// Namespace that they are in.
	Namespace string
	// Result is the name of the one for progress and summary.
	Result string
	// Clusters is the name of the one for the tightest clusters; empty if there is none.
	Clusters string
	// Record is the name of the run's AuditRecord; empty if there is none.
	Record string

	client rest.Interface
}

// Connect gives m the API server that a kubeconfig file names; without one, that of the pod. It doesn't ask the server
// anything yet.
func (m *ConfigMaps) Connect(kubeconfig string) error {
	config, err := configOf(kubeconfig)
	if err != nil {
		return v1alpha1.NewRunError(v1alpha1.ExitInvalidUsage, fmt.Errorf("ConfigMap %s/%s: no way to the API server: %w", m.Namespace, m.Result, err))
	}
	return m.connect(config)
}

func configOf(kubeconfig string) (*rest.Config, error) {
	if kubeconfig != "" {
		config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
		if err != nil {
			return nil, fmt.Errorf("--kubeconfig %s: %w", kubeconfig, err)
		}
		return config, nil
	}
	config, err := rest.InClusterConfig()
	if errors.Is(err, rest.ErrNotInCluster) {
		return nil, errors.New("this is not a pod of a cluster: name a file with --kubeconfig")
	}
	return config, err
}

func (m *ConfigMaps) connect(config *rest.Config) error {
	scheme := runtime.NewScheme()
	if err := corev1.AddToScheme(scheme); err != nil {
		return v1alpha1.NewRunError(v1alpha1.ExitInternal, fmt.Errorf("scheme of the core API: %w", err))
	}
	config = rest.CopyConfig(config)
	config.APIPath = "/api"
	config.GroupVersion = &corev1.SchemeGroupVersion
	config.NegotiatedSerializer = serializer.NewCodecFactory(scheme).WithoutConversion()
	config.UserAgent = fieldManager
	client, err := rest.RESTClientFor(config)
	if err != nil {
		return v1alpha1.NewRunError(v1alpha1.ExitInvalidUsage, fmt.Errorf("API server %s: %w", config.Host, err))
	}
	m.client = client
	return nil
}

// change is a merge patch of a ConfigMap. A nil text removes its key.
type change struct {
	Data       map[string]*string `json:"data,omitempty"`
	BinaryData map[string][]byte  `json:"binaryData,omitempty"`
}

// object is one that the runner may patch.
type object struct{ kind, path string }

func (m *ConfigMaps) configMap(name string) object {
	return object{"ConfigMap " + m.Namespace + "/" + name, "/api/v1/namespaces/" + m.Namespace + "/configmaps/" + name}
}

func (m *ConfigMaps) record() object {
	return object{
		v1alpha1.KindRecord + " " + m.Namespace + "/" + m.Record,
		"/apis/" + v1alpha1.GroupVersion.String() + "/namespaces/" + m.Namespace + "/" + v1alpha1.ResourceRecords + "/" + m.Record,
	}
}

// patch asks the server once, for at most the given time.
func (m *ConfigMaps) patch(ctx context.Context, timeout time.Duration, o object, body []byte) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	return m.client.Patch(types.MergePatchType).AbsPath(o.path).
		Param("fieldManager", fieldManager).Body(body).
		MaxRetries(0). // the callers know better for how long
		Do(ctx).Error()
}

const (
	// writeTimeout bounds one request that writes results.
	writeTimeout = 30 * time.Second
	// patience is for how long results are tried to be written while the server can't be reached or is in trouble:
	// longer than the upgrade of a control plane takes.
	patience = 10 * time.Minute
	// refusedPatience is for how long while the server says no: a Role may need a moment to be seen.
	refusedPatience = time.Minute
)

// write makes a change and tries until it is made. Every error is a *v1alpha1.RunError.
func (m *ConfigMaps) write(ctx context.Context, o object, change any) error {
	body, err := json.Marshal(change)
	if err != nil {
		return v1alpha1.NewRunError(v1alpha1.ExitInternal, fmt.Errorf("%s: %w", o.kind, err))
	}
	pauses := wait.Backoff{Duration: time.Second, Factor: 2, Jitter: 0.5, Steps: 10, Cap: 20 * time.Second} // 30 s with the jitter
	giveUp := time.Now().Add(patience)
	var refused time.Time // since when, without another answer between
	for {
		err := m.patch(ctx, writeTimeout, o, body)
		if err == nil {
			return nil
		}
		switch {
		case !isRefusal(err):
			refused = time.Time{}
		case refused.IsZero():
			refused = time.Now()
		}
		next := time.Now().Add(max(pauses.Step(), retryAfter(err)))
		if next.After(giveUp) || !refused.IsZero() && next.After(refused.Add(refusedPatience)) {
			return o.failed(ctx, err)
		}
		select {
		case <-ctx.Done():
			return o.failed(ctx, err)
		case <-time.After(time.Until(next)):
		}
	}
}

// isRefusal says whether the server understood and said no, so that the same request will hardly succeed later.
func isRefusal(err error) bool {
	switch code := statusOf(err); code {
	case http.StatusRequestTimeout, http.StatusConflict, http.StatusTooManyRequests:
		return false
	default:
		return 400 <= code && code < 500
	}
}

// statusOf is the HTTP status that the server answered with, 0 if it didn't answer.
func statusOf(err error) int32 {
	var status apierrors.APIStatus
	if !errors.As(err, &status) {
		return 0
	}
	return status.Status().Code
}

// retryAfter is how long the server wants to be left alone.
func retryAfter(err error) time.Duration {
	seconds, _ := apierrors.SuggestsClientDelay(err)
	return time.Duration(seconds) * time.Second
}

// failed says what could not be written, and what to do.
func (o object) failed(ctx context.Context, err error) error {
	advice := "is the API server reachable from this pod (network policies, proxy variables)?"
	switch statusOf(err) {
	case 0:
	case http.StatusUnauthorized:
		advice = "the API server doesn't know the token of the pod's service account: was the account deleted?"
	case http.StatusForbidden:
		advice = "the pod's service account needs a Role that allows patch on it: was the Role or its binding changed?"
	case http.StatusNotFound:
		advice = "the controller makes it before the pod: was it deleted? A new run makes a new one"
	case http.StatusRequestEntityTooLarge, http.StatusUnprocessableEntity:
		advice = "the API server doesn't take this content: is there an admission policy or a proxy with a limit?"
	default:
		advice = "see the API server's log"
	}
	return coded(ctx, fmt.Errorf("%s: %w: %s", o.kind, err, advice))
}

// coded gives an error of publishing its exit code.
func coded(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return v1alpha1.NewRunError(v1alpha1.ExitInterrupted, fmt.Errorf(
			"interrupted while publishing: the next start with the same work folder goes on from the last checkpoint: %w", context.Cause(ctx)))
	}
	return v1alpha1.NewRunError(v1alpha1.ExitStorage, err)
}

// timestamp is the present as the API writes it.
func timestamp() metav1.Time { return metav1.NewTime(time.Now().UTC()) }
