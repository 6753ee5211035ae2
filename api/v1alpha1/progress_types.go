package v1alpha1

import (
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Stage is a part of a run.
//
// +kubebuilder:validation:Enum=Read;Embed;Reduce;Neighbors;Inspect;Cluster;Report;Publish
type Stage string

const (
	// StageRead lists the dataset; done counts samples.
	StageRead Stage = "Read"
	// StageEmbed decodes, preprocesses and computes the vectors; done counts samples.
	StageEmbed Stage = "Embed"
	// StageReduce fits and applies the PCA; done counts samples, once for the one and once for the other.
	StageReduce Stage = "Reduce"
	// StageNeighbors searches the nearest neighbors and forms the clusters; done counts samples.
	StageNeighbors Stage = "Neighbors"
	// StageInspect looks at the images of the pairs that may be near duplicates; done counts pairs.
	StageInspect Stage = "Inspect"
	// StageCluster chooses the threshold and forms the clusters; done counts layers.
	StageCluster Stage = "Cluster"
	// StageReport writes the results; done counts files.
	StageReport Stage = "Report"
	// StagePublish uploads the results; done counts files.
	StagePublish Stage = "Publish"
)

// Known says whether s is one of the stages.
func (s Stage) Known() bool {
	switch s {
	case StageRead, StageEmbed, StageReduce, StageNeighbors, StageInspect, StageCluster, StageReport, StagePublish:
		return true
	}
	return false
}

// Progress is progress.json: how far a run is.
type Progress struct {
	// stage that works now.
	// +required
	Stage Stage `json:"stage"`

	// done is how much of the stage is done, in the unit of the stage.
	// +required
	// +kubebuilder:validation:Minimum=0
	Done int64 `json:"done"`

	// total is what the stage has to do. 0 while unknown.
	// +required
	// +kubebuilder:validation:Minimum=0
	Total int64 `json:"total"`

	// message says it in words, such as Embed 512/1000.
	// +optional
	// +kubebuilder:validation:MaxLength=256
	Message string `json:"message,omitempty"`

	// startedAt is when the stage began.
	// +required
	StartedAt metav1.Time `json:"startedAt"`

	// estimatedSeconds is what the whole run takes, by a probe of it at its beginning. Absent for small datasets.
	// +optional
	// +kubebuilder:validation:Minimum=0
	EstimatedSeconds int64 `json:"estimatedSeconds,omitempty"`

	// updatedAt is when this was written.
	// +required
	UpdatedAt metav1.Time `json:"updatedAt"`
}

// String says the progress in words: "Embed 512/1000", or "Read 512" while the total is unknown.
func (p Progress) String() string {
	if p.Total == 0 {
		return fmt.Sprintf("%s %d", p.Stage, p.Done)
	}
	return fmt.Sprintf("%s %d/%d", p.Stage, p.Done, p.Total)
}
