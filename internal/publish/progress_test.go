package publish

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
)

// followed runs f in a bubble of time with the progress of a run, and returns the notes.
func followed(t *testing.T, server *apiServer, f func(t *testing.T, p *Progress)) (notes []string) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		p := connected(t, server).Follow(ctx, func(note string) { notes = append(notes, note) })
		f(t, p)
		p.Close()
	})
	return notes
}

// seen is what the server saw: when, and the progress in words.
func seen(t *testing.T, server *apiServer) []string {
	t.Helper()
	var out []string
	for _, r := range server.requests {
		m, err := merge(configMap{}, []byte(r.Body))
		if err != nil {
			t.Fatal(err)
		}
		var p v1alpha1.Progress
		if err := json.Unmarshal([]byte(m.Data[v1alpha1.FileProgress]), &p); err != nil {
			t.Fatal(err)
		}
		out = append(out, fmt.Sprintf("%v %s", r.At, p.Message))
	}
	return out
}

func TestProgress(t *testing.T) {
	server := newAPIServer("result")
	notes := followed(t, server, func(t *testing.T, p *Progress) {
		time.Sleep(7 * time.Second) // nothing to say yet
		p.Stage(v1alpha1.StageEmbed, 9000)
		synctest.Wait()
		want := configMap{BinaryData: map[string][]byte{}, Data: map[string]string{v1alpha1.FileProgress: `{"stage":"Embed","done":0,"total":9000,` +
			`"message":"Embed 0/9000","startedAt":"2000-01-01T00:00:07Z","updatedAt":"2000-01-01T00:00:07Z"}`}}
		if diff := cmp.Diff(want, server.maps["vision/result"]); diff != "" {
			t.Errorf("the ConfigMap differs (-want +got):\n%s", diff)
		}
		time.Sleep(5 * time.Millisecond) // so that no two things happen at the same time
		for range 1200 {                 // 12 s
			p.Add(1)
			time.Sleep(10 * time.Millisecond)
		}
		p.Estimate(90 * time.Second)
		p.Stage(v1alpha1.StageReduce, 0)
		synctest.Wait()
		time.Sleep(62 * time.Second) // nothing new
		p.Add(5)
		p.Note("a note is not for the cluster")
		time.Sleep(5 * time.Second)
	})
	want := []string{"7s Embed 0/9000", "12s Embed 500/9000", "17s Embed 1000/9000", "19.005s Reduce 0", "1m24.005s Reduce 5"}
	if diff := cmp.Diff(want, seen(t, server)); diff != "" {
		t.Errorf("the writes differ (-want +got):\n%s", diff)
	}
	if last := server.maps["vision/result"].Data[v1alpha1.FileProgress]; !strings.Contains(last, `"estimatedSeconds":90`) {
		t.Errorf("the estimate is gone: %s", last)
	}
	if len(notes) != 0 {
		t.Errorf("notes: %q", notes)
	}
}

// An API server in trouble is asked ever less often, also when stages begin, and the log says so once.
func TestProgressFails(t *testing.T) {
	server := newAPIServer("result")
	server.fault = func(n int) fault {
		switch {
		case n < 3, n == 5:
			return status(500)
		case n == 3:
			return fault{status: 429, retryAfter: "100"}
		}
		return fault{}
	}
	notes := followed(t, server, func(_ *testing.T, p *Progress) {
		for range 300 {
			p.Stage(v1alpha1.StageNeighbors, 0)
			p.Add(1)
			time.Sleep(time.Second)
		}
	})
	var pauses []time.Duration
	for i, r := range server.requests[1:6] {
		pauses = append(pauses, r.At-server.requests[i].At)
	}
	limits := [][2]time.Duration{{5e9, 7.5e9}, {10e9, 15e9}, {20e9, 30e9}, {100e9, 100e9}, {0, 1e9}}
	for i, pause := range pauses {
		if pause < limits[i][0] || pause > limits[i][1] {
			t.Errorf("pause %d is %v, want %v", i, pause, limits[i])
		}
	}
	var kinds []string
	for _, note := range notes {
		kind, _, _ := strings.Cut(note, ":")
		kinds = append(kinds, kind)
	}
	failing, again := "Progress can't be written to the cluster for now, the audit goes on", "Progress is written to the cluster again"
	if diff := cmp.Diff([]string{failing, again, failing, again}, kinds); diff != "" {
		t.Errorf("the notes differ (-want +got):\n%s", diff)
	}
	if !strings.Contains(notes[0], "ConfigMap vision/result: ") {
		t.Errorf("the note doesn't name the ConfigMap: %s", notes[0])
	}
}

// An API server that doesn't answer stops nobody.
func TestProgressWithoutAnswer(t *testing.T) {
	tests := map[string]struct {
		end  func(p *Progress, cancel func())
		want time.Duration
	}{
		"closed":      {func(p *Progress, _ func()) { p.Close() }, progressTimeout},
		"interrupted": {func(p *Progress, cancel func()) { cancel(); p.Close() }, 0},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server := newAPIServer("result")
				server.fault = always(fault{hang: true})
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				p := connected(t, server).Follow(ctx, func(string) {})
				began := time.Now()
				p.Stage(v1alpha1.StageRead, 0)
				synctest.Wait()
				p.Stage(v1alpha1.StageEmbed, 3)
				p.Add(1)
				if took := time.Since(began); took != 0 {
					t.Errorf("the audit waited for %v", took)
				}
				test.end(p, cancel)
				if took := time.Since(began); took != test.want {
					t.Errorf("the end took %v, want %v", took, test.want)
				}
				p.Stage(v1alpha1.StageReport, 3) // after the end, to nobody
				time.Sleep(time.Minute)
				if len(server.requests) != 1 {
					t.Errorf("%d requests, want 1", len(server.requests))
				}
			})
		})
	}
}
