package main

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
)

func TestProxy(t *testing.T) {
	for name, c := range map[string]struct {
		given map[string]string
		want  []corev1.EnvVar
	}{
		"none": {given: map[string]string{"KUBERNETES_SERVICE_HOST": "10.0.0.1"}},
		"both spellings, and the API server apart": {
			given: map[string]string{"KUBERNETES_SERVICE_HOST": "10.0.0.1", "HTTPS_PROXY": "proxy:1", "https_proxy": "proxy:2", "NO_PROXY": ".svc"},
			want:  []corev1.EnvVar{{Name: "HTTPS_PROXY", Value: "proxy:1"}, {Name: "https_proxy", Value: "proxy:2"}, {Name: "NO_PROXY", Value: ".svc,10.0.0.1"}, {Name: "no_proxy", Value: ".svc,10.0.0.1"}},
		},
		"exemptions in lower case only": {
			given: map[string]string{"KUBERNETES_SERVICE_HOST": "10.0.0.1", "HTTPS_PROXY": "proxy:1", "no_proxy": ".corp"},
			want:  []corev1.EnvVar{{Name: "HTTPS_PROXY", Value: "proxy:1"}, {Name: "NO_PROXY", Value: ".corp,10.0.0.1"}, {Name: "no_proxy", Value: ".corp,10.0.0.1"}},
		},
		"the API server apart, though nothing else is": {
			given: map[string]string{"KUBERNETES_SERVICE_HOST": "10.0.0.1", "HTTP_PROXY": "proxy:1"},
			want:  []corev1.EnvVar{{Name: "HTTP_PROXY", Value: "proxy:1"}, {Name: "NO_PROXY", Value: "10.0.0.1"}, {Name: "no_proxy", Value: "10.0.0.1"}},
		},
		"outside of a cluster": {
			given: map[string]string{"HTTP_PROXY": "proxy:1", "no_proxy": "localhost"},
			want:  []corev1.EnvVar{{Name: "HTTP_PROXY", Value: "proxy:1"}, {Name: "no_proxy", Value: "localhost"}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			got := proxy(func(name string) (string, bool) { value, ok := c.given[name]; return value, ok })
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("environment (-want +got):\n%s", diff)
			}
		})
	}
}
