package crd

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apimachinery/pkg/runtime"
	celconfig "k8s.io/apiserver/pkg/apis/cel"
	"sigs.k8s.io/yaml"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
)

// base is a valid audit; the tables below merge their patches into it.
const base = `
apiVersion: datasetaudit.io/v1alpha1
kind: DatasetAudit
metadata: {name: cars, namespace: vision}
spec:
  dataset:
    source: {persistentVolumeClaim: {claimName: cifar10, path: images}}
    format: ImageFolder
  model:
    source: {persistentVolumeClaim: {claimName: models, path: mobilenet.onnx}}
    layers: [conv_pw_13]
    preprocessing: {preset: MobileNet}
`

// embeddings turns base into an audit of embeddings.
const embeddings = `spec: {model: null, dataset: {format: Embeddings}}`

// secrets lets dataset and output name Secrets.
const secrets = `spec: {dataset: {source: {persistentVolumeClaim: null, objectStorage: {url: s3://data, secretRef: {name: s3}}}}}`

// A rule is one way to be wrong, and its neighbor that is right.
type rule struct {
	given    string // merged into base first
	rejected string
	message  string // of the rejection
	accepted string
}

var rules = map[string]rule{
	"reports without duplicates": {
		rejected: `spec: {reports: [Quality, Labels]}`,
		message:  "reports must have Duplicates: the other parts are made of its neighbors",
		accepted: `spec: {reports: [Quality, Labels, Duplicates]}`,
	},
	"familiarity that nobody sees": {
		rejected: `spec: {familiarity: {components: 5}}`,
		message:  "familiarity is of report Familiarity: name it in reports",
		accepted: `spec: {familiarity: {components: 5}, reports: [Duplicates, Familiarity]}`,
	},
	"quality of embeddings": {
		given:    embeddings,
		rejected: `spec: {reports: [Duplicates, Quality]}`,
		message:  "reports: Quality is that of images, and dataset.format Embeddings has none",
		accepted: `spec: {reports: [Duplicates, Labels]}`,
	},
	"stages without a workspace": {
		rejected: `spec: {runner: {stages: [{name: Embed, resources: {limits: {nvidia.com/gpu: 1}}}]}}`,
		message:  "runner.stages makes Jobs of their own, which hand over what they computed in a workspace: set workspace, or output.objectStorage",
		accepted: `spec: {runner: {stages: [{name: Embed, resources: {limits: {nvidia.com/gpu: 1}}}]}, workspace: {size: 1Gi}}`,
	},
	"a stage that does not run alone": {
		given:    `spec: {workspace: {size: 1Gi}}`,
		rejected: `spec: {runner: {stages: [{name: Report, resources: {}}]}}`,
		message:  "name must be Embed: no other stage has Jobs of its own",
		accepted: `spec: {runner: {stages: [{name: Embed, resources: {}}]}}`,
	},
	"stages without a model": {
		given:    embeddings,
		rejected: `spec: {runner: {stages: [{name: Embed, resources: {}}]}, workspace: {size: 1Gi}}`,
		message:  "runner.stages are those of a model, and dataset.format Embeddings has none",
		accepted: `spec: {workspace: {size: 1Gi}}`,
	},
	"verdicts' digest": {
		rejected: fmt.Sprintf(`spec: {duplicates: {verdicts: {configMap: {name: review}, sha256: "%064X"}}}`, 0xabc),
		message:  "sha256 must be 64 hexadecimal digits in lower case",
		accepted: fmt.Sprintf(`spec: {duplicates: {verdicts: {configMap: {name: review}, sha256: "%064x"}}}`, 0xabc),
	},
	"baseline's digest": {
		rejected: fmt.Sprintf(`spec: {baseline: {persistentVolumeClaim: {claimName: old}, sha256: "%064X"}}`, 0xabc),
		message:  "sha256 must be 64 hexadecimal digits in lower case",
		accepted: fmt.Sprintf(`spec: {baseline: {persistentVolumeClaim: {claimName: old}, sha256: "%064x"}}`, 0xabc),
	},
	"reference's digest": {
		rejected: fmt.Sprintf(`spec: {references: [{name: bench, source: {persistentVolumeClaim: {claimName: a, path: b.safetensors}}, sha256: "%064X"}]}`, 0xabc),
		message:  "sha256 must be 64 hexadecimal digits in lower case",
		accepted: fmt.Sprintf(`spec: {references: [{name: bench, source: {persistentVolumeClaim: {claimName: a, path: b.safetensors}}, sha256: "%064x"}]}`, 0xabc),
	},
	"reference without a path": {
		rejected: `spec: {references: [{name: bench, source: {persistentVolumeClaim: {claimName: a}}}]}`,
		message:  "persistentVolumeClaim.path must name the reference's file",
		accepted: `spec: {references: [{name: bench, source: {persistentVolumeClaim: {claimName: a, path: b.safetensors}}}]}`,
	},
	"reference without a path in its image": {
		rejected: `spec: {references: [{name: bench, source: {image: {reference: a/b}}}]}`,
		message:  "image.path must name the reference's file",
		accepted: `spec: {references: [{name: bench, source: {image: {reference: a/b, path: b.safetensors}}}]}`,
	},
	"name with a dot": {
		rejected: `metadata: {name: cars.v2}`,
		message:  "metadata.name must not contain dots: it becomes part of the names of pods",
		accepted: `metadata: {name: cars-v2}`,
	},
	"name too long": {
		rejected: `metadata: {name: ` + strings.Repeat("a", 64) + `}`,
		message:  "metadata.name must be at most 63 characters: it becomes a label and part of the names of Jobs",
		accepted: `metadata: {name: ` + strings.Repeat("a", 63) + `}`,
	},
	"no model": {
		rejected: `spec: {model: null}`,
		message:  "model is required, unless dataset.format is Embeddings",
		accepted: embeddings,
	},
	"model of embeddings": {
		rejected: `spec: {dataset: {format: Embeddings}}`,
		message:  "model must be absent when dataset.format is Embeddings: the embeddings are computed already",
		accepted: embeddings,
	},
	"parallel without shared storage": {
		rejected: `spec: {runner: {parallelism: 2}, workspace: {size: 1Gi}, output: {objectStorage: {url: s3://audits}}}`,
		message:  "runner.parallelism above 1 needs a place that all pods can write: name a ReadWriteMany claim in workspace.persistentVolumeClaim, or object storage in workspace or output",
		accepted: `spec: {runner: {parallelism: 2}, output: {objectStorage: {url: s3://audits}}}`,
	},
	"parallel over object storage": {
		rejected: `spec: {runner: {parallelism: 2}, output: {topClusters: 3}}`,
		message:  "runner.parallelism above 1",
		accepted: `spec: {runner: {parallelism: 2}, workspace: {objectStorage: {url: s3://vectors}}}`,
	},
	"a secret of its own for the workspace": {
		given:    secrets,
		rejected: `spec: {workspace: {objectStorage: {url: s3://vectors, secretRef: {name: other}}}}`,
		message:  "workspace must name the same Secret in secretRef as dataset, model, output, baseline, duplicates.verdicts and references: its keys become the environment of one pod",
		accepted: `spec: {workspace: {objectStorage: {url: s3://vectors, secretRef: {name: s3}}}}`,
	},
	"parallel with workspace": {
		rejected: `spec: {runner: {parallelism: 2}}`,
		message:  "runner.parallelism above 1",
		accepted: `spec: {runner: {parallelism: 2}, workspace: {persistentVolumeClaim: {claimName: scratch}}}`,
	},
	"two dataset sources": {
		rejected: `spec: {dataset: {source: {objectStorage: {url: s3://data}}}}`,
		message:  "exactly one of the fields in [persistentVolumeClaim objectStorage image builtin] must be set",
		accepted: `spec: {dataset: {source: {persistentVolumeClaim: null, objectStorage: {url: s3://data}}}}`,
	},
	"no dataset source": {
		rejected: `spec: {dataset: {source: {persistentVolumeClaim: null}}}`,
		message:  "exactly one of the fields in [persistentVolumeClaim objectStorage image builtin] must be set",
		accepted: `spec: {dataset: {source: {persistentVolumeClaim: null, image: {reference: registry.example/cars}}}}`,
	},
	"two model sources": {
		rejected: `spec: {model: {source: {objectStorage: {url: s3://models/m.onnx}}}}`,
		message:  "exactly one of the fields in [persistentVolumeClaim objectStorage image] must be set",
		accepted: `spec: {model: {source: {persistentVolumeClaim: null, objectStorage: {url: s3://models/m.onnx}}}}`,
	},
	"model claim without path": {
		rejected: `spec: {model: {source: {persistentVolumeClaim: {path: null}}}}`,
		message:  "persistentVolumeClaim.path must name the model's file",
		accepted: `spec: {model: {source: {persistentVolumeClaim: {path: m.onnx}}}}`,
	},
	"model image without path": {
		given:    `spec: {model: {source: {persistentVolumeClaim: null}}}`,
		rejected: `spec: {model: {source: {image: {reference: registry.example/m}}}}`,
		message:  "image.path must name the model's file",
		accepted: `spec: {model: {source: {image: {reference: registry.example/m, path: m.onnx}}}}`,
	},
	"absolute path": {
		rejected: `spec: {dataset: {source: {persistentVolumeClaim: {path: /images}}}}`,
		message:  "path must be relative and must not contain '..'",
		accepted: `spec: {dataset: {source: {persistentVolumeClaim: {path: images/v2..1}}}}`,
	},
	"path upwards in an image": {
		given:    `spec: {dataset: {source: {persistentVolumeClaim: null}}}`,
		rejected: `spec: {dataset: {source: {image: {reference: registry.example/cars, path: a/../../b}}}}`,
		message:  "path must be relative and must not contain '..'",
		accepted: `spec: {dataset: {source: {image: {reference: registry.example/cars, path: a/b}}}}`,
	},
	"manifest of another format": {
		rejected: `spec: {dataset: {manifest: {path: list.csv}}}`,
		message:  "manifest is only for format Manifest",
		accepted: `spec: {dataset: {format: Manifest, manifest: {path: list.csv}}}`,
	},
	"manifest path upwards": {
		given:    `spec: {dataset: {format: Manifest}}`,
		rejected: `spec: {dataset: {manifest: {path: ../list.csv}}}`,
		message:  "path must be relative and must not contain '..'",
		accepted: `spec: {dataset: {manifest: {}}}`,
	},
	"cifar of another format": {
		rejected: `spec: {dataset: {cifar: {variant: CIFAR10}}}`,
		message:  "cifar is only for format CIFAR",
		accepted: `spec: {dataset: {format: CIFAR, cifar: {variant: CIFAR10}}}`,
	},
	"embeddings of another format": {
		rejected: `spec: {dataset: {embeddings: {path: x.npy}}}`,
		message:  "embeddings is only for format Embeddings",
		accepted: `spec: {model: null, dataset: {format: Embeddings, embeddings: {path: x.npy}}}`,
	},
	"unknown format": {
		rejected: `spec: {dataset: {format: Folder}}`,
		message:  `spec.dataset.format: Unsupported value: "Folder"`,
		accepted: `spec: {dataset: {format: WebDataset}}`,
	},
	"negative unreadable": {
		rejected: `spec: {dataset: {maxUnreadable: -1}}`,
		message:  "maxUnreadable must be a number from 0 to 2147483647, or a percentage from 0% to 100% such as 0.1%",
		accepted: `spec: {dataset: {maxUnreadable: 0}}`,
	},
	"more than all unreadable": {
		rejected: `spec: {dataset: {maxUnreadable: 100.1%}}`,
		message:  "maxUnreadable must be a number from 0 to 2147483647, or a percentage from 0% to 100% such as 0.1%",
		accepted: `spec: {dataset: {maxUnreadable: 0.1%}}`,
	},
	"split twice": {
		rejected: `spec: {dataset: {splits: [train, train]}}`,
		message:  `spec.dataset.splits[1]: Duplicate value: "train"`,
		accepted: `spec: {dataset: {splits: [train, test]}}`,
	},
	"split without a name": {
		rejected: `spec: {dataset: {splits: [""]}}`,
		message:  "spec.dataset.splits[0]: Invalid value",
		accepted: `spec: {dataset: {splits: ["a"]}}`,
	},
	"digest too short": {
		rejected: `spec: {model: {sha256: ` + strings.Repeat("ab", 31) + `}}`,
		message:  "sha256 must be 64 hexadecimal digits in lower case",
		accepted: `spec: {model: {sha256: ` + strings.Repeat("0a", 32) + `}}`,
	},
	"secret's name": {
		rejected: `spec: {output: {objectStorage: {url: s3://b, secretRef: {name: A_b}}}}`,
		message:  "spec.output.objectStorage.secretRef.name: Invalid value",
		accepted: `spec: {output: {objectStorage: {url: s3://b, secretRef: {name: a.b-c}}}}`,
	},
	"no layers": {
		rejected: `spec: {model: {layers: []}}`,
		message:  "spec.model.layers: Invalid value: 0: spec.model.layers in body should have at least 1 items",
		accepted: `spec: {model: {layers: [a, "node:b"]}}`,
	},
	"digest in upper case": {
		rejected: `spec: {model: {sha256: ` + strings.Repeat("AB", 32) + `}}`,
		message:  "sha256 must be 64 hexadecimal digits in lower case",
		accepted: `spec: {model: {sha256: ` + strings.Repeat("ab", 32) + `}}`,
	},
	"no preprocessing": {
		rejected: `spec: {model: {preprocessing: {preset: null}}}`,
		message:  "set preset, or both mean and scale: a wrong guess would spoil every distance",
		accepted: `spec: {model: {preprocessing: {preset: null, mean: ["127.5"], scale: ["127.5"]}}}`,
	},
	"width alone": {
		rejected: `spec: {model: {preprocessing: {width: 224}}}`,
		message:  "width and height must be given together",
		accepted: `spec: {model: {preprocessing: {width: 224, height: 192}}}`,
	},
	"two means": {
		rejected: `spec: {model: {preprocessing: {mean: ["1", "2"]}}}`,
		message:  "mean must have one value, or three",
		accepted: `spec: {model: {preprocessing: {mean: ["1", "2.5", "-3e1"]}}}`,
	},
	"two scales": {
		rejected: `spec: {model: {preprocessing: {scale: ["1", "2"]}}}`,
		message:  "scale must have one value, or three",
		accepted: `spec: {model: {preprocessing: {scale: ["1", "2", "3"]}}}`,
	},
	"scale of zero": {
		rejected: `spec: {model: {preprocessing: {scale: ["0.0"]}}}`,
		message:  "scale must be decimals above 0, in quotes, such as '58.395'",
		accepted: `spec: {model: {preprocessing: {scale: ["0.1"]}}}`,
	},
	"mean is not a number": {
		rejected: `spec: {model: {preprocessing: {mean: ["127,5"]}}}`,
		message:  "mean must be decimals, in quotes, such as '123.675'",
		accepted: `spec: {model: {preprocessing: {mean: ["127.5"]}}}`,
	},
	"pool axes and token": {
		rejected: `spec: {model: {pooling: {axes: [1], token: 0}}}`,
		message:  "at most one of the fields in [axes token] may be set",
		accepted: `spec: {model: {pooling: {token: 0}}}`,
	},
	"pool and pick a token": {
		rejected: `spec: {model: {pooling: {method: Max, token: 0}}}`,
		message:  "token picks one token and pools nothing: leave method out",
		accepted: `spec: {model: {pooling: {method: None, token: 0}}}`,
	},
	"pool axes by nothing": {
		rejected: `spec: {model: {pooling: {method: None, axes: [2, 3]}}}`,
		message:  "method None pools no axes: leave axes out",
		accepted: `spec: {model: {pooling: {method: Average, axes: [2, 3]}}}`,
	},
	"pool the batch": {
		rejected: `spec: {model: {pooling: {axes: [0]}}}`,
		message:  "spec.model.pooling.axes[0]",
		accepted: `spec: {model: {pooling: {axes: [1]}}}`,
	},
	"batch size of exact PCA": {
		rejected: `spec: {reduction: {pca: {batchSize: 500}}}`,
		message:  "batchSize is only for solver Incremental",
		accepted: `spec: {reduction: {pca: {solver: Incremental, batchSize: 500}}}`,
	},
	"batch below components": {
		given:    `spec: {reduction: {pca: {solver: Incremental}}}`,
		rejected: `spec: {reduction: {pca: {batchSize: 39}}}`,
		message:  "batchSize must be at least components: smaller batches are not fitted",
		accepted: `spec: {reduction: {pca: {batchSize: 40}}}`,
	},
	"sensitivity of another strategy": {
		rejected: `spec: {duplicates: {threshold: {strategy: Percentile, percentile: "99.5", sensitivity: 5}}}`,
		message:  "sensitivity is only for strategy Slope",
		accepted: `spec: {duplicates: {threshold: {sensitivity: 5}}}`,
	},
	"FalseDiscovery without Local": {
		given:    `spec: {duplicates: {threshold: {strategy: FalseDiscovery}}}`,
		rejected: `spec: {duplicates: {method: Reference}}`,
		message:  "threshold.strategy FalseDiscovery and its rate are only for method Local",
		accepted: `spec: {duplicates: {method: Local}}`,
	},
	"rate without Local": {
		given:    `spec: {duplicates: {threshold: {rate: "0.05"}}}`,
		rejected: `spec: {duplicates: {method: Reference}}`,
		message:  "threshold.strategy FalseDiscovery and its rate are only for method Local",
		accepted: `spec: {duplicates: {method: Local}}`,
	},
	"Local with another strategy": {
		given:    `spec: {duplicates: {method: Local}}`,
		rejected: `spec: {duplicates: {threshold: {strategy: Slope}}}`,
		message:  "method Local has threshold.strategy FalseDiscovery and no other",
		accepted: `spec: {duplicates: {threshold: {strategy: FalseDiscovery}}}`,
	},
	"Local with a sensitivity": {
		given:    `spec: {duplicates: {method: Local}}`,
		rejected: `spec: {duplicates: {threshold: {sensitivity: 5}}}`,
		message:  "method Local has threshold.strategy FalseDiscovery and no other",
		accepted: `spec: {duplicates: {threshold: {rate: "0.5"}}}`,
	},
	"model without a source": {
		rejected: `spec: {model: {source: null}}`,
		message:  "set source, layers and preprocessing, or builtin",
		accepted: `spec: {model: {builtin: Pixels, source: null, layers: null, preprocessing: null}}`,
	},
	"model without layers": {
		rejected: `spec: {model: {layers: null}}`,
		message:  "set source, layers and preprocessing, or builtin",
		accepted: `spec: {model: {layers: [a]}}`,
	},
	"model without preprocessing": {
		rejected: `spec: {model: {preprocessing: null}}`,
		message:  "set source, layers and preprocessing, or builtin",
		accepted: `spec: {model: {preprocessing: {preset: CLIP}}}`,
	},
	"builtin model with a source": {
		rejected: `spec: {model: {builtin: Pixels}}`,
		message:  "a builtin model has no source, sha256, layers, preprocessing or pooling",
		accepted: `spec: {model: {builtin: Pixels, source: null, layers: null, preprocessing: null}}`,
	},
	"builtin model with pooling": {
		given:    `spec: {model: {builtin: Pixels, source: null, layers: null, preprocessing: null}}`,
		rejected: `spec: {model: {pooling: {method: Max}}}`,
		message:  "a builtin model has no source, sha256, layers, preprocessing or pooling",
		accepted: `spec: {model: {pooling: {}}}`,
	},
	"rate of another strategy": {
		given:    `spec: {duplicates: {threshold: {rate: "0.05"}}}`,
		rejected: `spec: {duplicates: {threshold: {strategy: Cosine, similarity: "0.9"}}}`,
		message:  "rate is only for strategy FalseDiscovery",
		accepted: `spec: {duplicates: {threshold: {strategy: FalseDiscovery}}}`,
	},
	"rate and sensitivity": {
		given:    `spec: {duplicates: {threshold: {rate: "0.05"}}}`,
		rejected: `spec: {duplicates: {threshold: {sensitivity: 5}}}`,
		message:  "rate is method Local's, sensitivity strategy Slope's: leave one out",
		accepted: `spec: {duplicates: {threshold: {strategy: FalseDiscovery}}}`,
	},
	"rate of zero": {
		rejected: `spec: {duplicates: {threshold: {rate: "0"}}}`,
		message:  "rate must be a decimal above 0 and at most 0.5, in quotes, such as '0.01'",
		accepted: `spec: {duplicates: {threshold: {rate: "1e-3"}}}`,
	},
	"inspection with Reference": {
		given:    `spec: {duplicates: {method: Reference}}`,
		rejected: `spec: {duplicates: {inspection: Pixels}}`,
		message:  "inspection is only for method Local, and a threshold.strategy other than FalseDiscovery means method Reference",
		accepted: `spec: {duplicates: {inspection: None}}`,
	},
	"inspection with a strategy of the reference's": {
		given:    `spec: {duplicates: {inspection: Pixels}}`,
		rejected: `spec: {duplicates: {threshold: {strategy: Slope}}}`,
		message:  "inspection is only for method Local, and a threshold.strategy other than FalseDiscovery means method Reference",
		accepted: `spec: {duplicates: {threshold: {strategy: FalseDiscovery}}}`,
	},
	"inspection with the reference's sensitivity": {
		given:    `spec: {duplicates: {inspection: Pixels}}`,
		rejected: `spec: {duplicates: {threshold: {sensitivity: 5}}}`,
		message:  "inspection is only for method Local, and a threshold.strategy other than FalseDiscovery means method Reference",
		accepted: `spec: {duplicates: {threshold: {rate: "0.1"}}}`,
	},
	"inspection of embeddings": {
		given:    embeddings,
		rejected: `spec: {duplicates: {inspection: Pixels}}`,
		message:  "duplicates.inspection needs images, and dataset.format Embeddings has none",
		accepted: `spec: {duplicates: {inspection: None}}`,
	},
	"no percentile": {
		rejected: `spec: {duplicates: {threshold: {strategy: Percentile}}}`,
		message:  "percentile is required for strategy Percentile, and only for it",
		accepted: `spec: {duplicates: {threshold: {strategy: Percentile, percentile: "99.5"}}}`,
	},
	"percentile of another strategy": {
		rejected: `spec: {duplicates: {threshold: {percentile: "99.5"}}}`,
		message:  "percentile is required for strategy Percentile, and only for it",
		accepted: `spec: {duplicates: {threshold: {strategy: Percentile, percentile: "100"}}}`,
	},
	"percentile of zero": {
		given:    `spec: {duplicates: {threshold: {strategy: Percentile}}}`,
		rejected: `spec: {duplicates: {threshold: {percentile: "0"}}}`,
		message:  "percentile must be a decimal above 0 and at most 100, in quotes, such as '99.5'",
		accepted: `spec: {duplicates: {threshold: {percentile: "0.001"}}}`,
	},
	"percentile as a float": {
		given:    `spec: {duplicates: {threshold: {strategy: Percentile}}}`,
		rejected: `spec: {duplicates: {threshold: {percentile: 99.5}}}`,
		message:  "spec.duplicates.threshold.percentile in body must be of type string",
		accepted: `spec: {duplicates: {threshold: {percentile: "99.5"}}}`,
	},
	"percentile is not a number": {
		given:    `spec: {duplicates: {threshold: {strategy: Percentile}}}`,
		rejected: `spec: {duplicates: {threshold: {percentile: "99,5"}}}`,
		message:  "percentile must be a decimal above 0 and at most 100, in quotes, such as '99.5'",
		accepted: `spec: {duplicates: {threshold: {percentile: "9.95e1"}}}`,
	},
	"no distance": {
		rejected: `spec: {duplicates: {threshold: {strategy: Distance}}}`,
		message:  "distance is required for strategy Distance, and only for it",
		accepted: `spec: {duplicates: {threshold: {strategy: Distance, distance: "5.1"}}}`,
	},
	"negative distance": {
		given:    `spec: {duplicates: {threshold: {strategy: Distance}}}`,
		rejected: `spec: {duplicates: {threshold: {distance: "-0.1"}}}`,
		message:  "distance must be a decimal of at least 0, in quotes, such as '5.1'",
		accepted: `spec: {duplicates: {threshold: {distance: "0"}}}`,
	},
	"no similarity": {
		rejected: `spec: {duplicates: {threshold: {strategy: Cosine}}}`,
		message:  "similarity is required for strategy Cosine, and only for it",
		accepted: `spec: {duplicates: {threshold: {strategy: Cosine, similarity: "0.95"}}}`,
	},
	"similarity above one": {
		given:    `spec: {duplicates: {threshold: {strategy: Cosine}}}`,
		rejected: `spec: {duplicates: {threshold: {similarity: "1.01"}}}`,
		message:  "similarity must be a decimal from -1 to 1, in quotes, such as '0.95'",
		accepted: `spec: {duplicates: {threshold: {similarity: "1"}}}`,
	},
	"rule twice": {
		rejected: `spec: {policy: {rules: [{name: a, expression: "true", severity: Fail}, {name: a, expression: "true", severity: Warn}]}}`,
		message:  `spec.policy.rules[1]: Duplicate value`,
		accepted: `spec: {policy: {rules: [{name: a, expression: "true", severity: Fail}, {name: b, expression: "true", severity: Warn}]}}`,
	},
	"rule without severity": {
		rejected: `spec: {policy: {rules: [{name: a, expression: "true"}]}}`,
		message:  "spec.policy.rules[0].severity: Required value",
		accepted: `spec: {policy: {rules: [{name: a, expression: "true", severity: Warn}]}}`,
	},
	"storage on the local disk": {
		rejected: `spec: {output: {objectStorage: {url: "file:///etc"}}}`,
		message:  "url must be s3://bucket/prefix, gs://bucket/prefix or azblob://container/prefix; options follow after a question mark",
		accepted: `spec: {output: {objectStorage: {url: "s3://b/p?endpoint=https://minio.example:9000&use_path_style=true"}}}`,
	},
	"start deadline too short": {
		rejected: `spec: {runner: {startDeadline: 59s}}`,
		message:  "startDeadline must be a duration from 1m to 168h, such as 30m",
		accepted: `spec: {runner: {startDeadline: 1m0s}}`,
	},
	"deadline too long": {
		rejected: `spec: {runner: {deadline: 721h}}`,
		message:  "deadline must be a duration from 1m to 720h, such as 6h30m",
		accepted: `spec: {runner: {deadline: 720h}}`,
	},
	"deadline is not a duration": {
		rejected: `spec: {runner: {deadline: 1 day}}`,
		message:  "deadline must be a duration from 1m to 720h, such as 6h30m",
		accepted: `spec: {runner: {deadline: 1h30m}}`,
	},
	"label of ours": {
		rejected: `spec: {runner: {template: {labels: {datasetaudit.io/run: x}}}}`,
		message:  "labels of datasetaudit.io/ and batch.kubernetes.io/ are the operator's and Kubernetes' own",
		accepted: `spec: {runner: {template: {labels: {team: vision}}}}`,
	},
	"label too long": {
		rejected: `spec: {runner: {template: {labels: {team: ` + strings.Repeat("a", 64) + `}}}}`,
		message:  "a label's key has at most 317 characters, its value at most 63",
		accepted: `spec: {runner: {template: {labels: {team: ` + strings.Repeat("a", 63) + `}}}}`,
	},
	"annotation too long": {
		rejected: `spec: {runner: {template: {annotations: {note: ` + strings.Repeat("a", 4097) + `}}}}`,
		message:  "an annotation's key has at most 317 characters, its value at most 4096",
		accepted: `spec: {runner: {template: {annotations: {note: ` + strings.Repeat("a", 4096) + `}}}}`,
	},
	"negative limit": {
		rejected: `spec: {runner: {resources: {limits: {cpu: "-1"}}}}`,
		message:  "limits must not be negative",
		accepted: `spec: {runner: {resources: {limits: {cpu: 1, memory: 0, nvidia.com/gpu: "1"}}}}`,
	},
	"negative request": {
		rejected: `spec: {runner: {resources: {requests: {memory: -1Gi}}}}`,
		message:  "requests must not be negative",
		accepted: `spec: {runner: {resources: {requests: {memory: 1Gi}}}}`,
	},
	"request above the limit": {
		rejected: `spec: {runner: {resources: {requests: {cpu: 1500m}, limits: {cpu: 1}}}}`,
		message:  "requests must not be above limits",
		accepted: `spec: {runner: {resources: {requests: {cpu: 1000m, memory: 1Gi}, limits: {cpu: 1}}}}`,
	},
	"parallel with a claim of one node": {
		rejected: `spec: {runner: {parallelism: 2}, workspace: {size: 1Gi}}`,
		message:  "runner.parallelism above 1 needs a place that all pods can write",
		accepted: `spec: {runner: {parallelism: 1}, workspace: {size: 1Gi}}`,
	},
	"options of WebDataset": {
		rejected: `spec: {dataset: {webDataset: {shards: [a.tar]}}}`,
		message:  "webDataset is only for format WebDataset",
		accepted: `spec: {dataset: {format: WebDataset, webDataset: {shards: ["train-{000..012}.tar"]}}}`,
	},
	"shards elsewhere": {
		given:    `spec: {dataset: {format: WebDataset}}`,
		rejected: `spec: {dataset: {webDataset: {shards: [../a.tar]}}}`,
		message:  "shards must be relative and must not contain '..'",
		accepted: `spec: {dataset: {webDataset: {shards: [a/..b.tar]}}}`,
	},
	"options of Parquet": {
		rejected: `spec: {dataset: {parquet: {imageColumn: picture}}}`,
		message:  "parquet is only for format Parquet",
		accepted: `spec: {dataset: {format: Parquet, parquet: {imageColumn: picture}}}`,
	},
	"options of TFRecord": {
		rejected: `spec: {dataset: {tfRecord: {imageFeature: image}}}`,
		message:  "tfRecord is only for format TFRecord",
		accepted: `spec: {dataset: {format: TFRecord, tfRecord: {imageFeature: image}}}`,
	},
	"a column for another rule": {
		rejected: `spec: {duplicates: {removal: {keep: First, column: date}}}`,
		message:  "column is required for keep Column, and only for it",
		accepted: `spec: {duplicates: {removal: {keep: Column, column: date}}}`,
	},
	"verdicts twice": {
		rejected: `spec: {duplicates: {verdicts: {configMap: {name: review}, objectStorage: {url: s3://b/v.json}}}}`,
		message:  "exactly one of the fields in [configMap objectStorage] must be set",
		accepted: `spec: {duplicates: {verdicts: {configMap: {name: review}}}}`,
	},
	"two secrets to read": {
		given:    secrets,
		rejected: `spec: {model: {source: {persistentVolumeClaim: null, objectStorage: {url: s3://models/m.onnx, secretRef: {name: other}}}}}`,
		message:  "model must name the same Secret in secretRef as dataset: its keys become the environment of one pod",
		accepted: `spec: {model: {source: {persistentVolumeClaim: null, objectStorage: {url: s3://models/m.onnx, secretRef: {name: s3}}}}}`,
	},
	"a secret of its own to write": {
		given:    secrets,
		rejected: `spec: {output: {objectStorage: {url: s3://audits, secretRef: {name: other}}}}`,
		message:  "output must name the same Secret in secretRef as dataset and model: its keys become the environment of one pod",
		accepted: `spec: {output: {objectStorage: {url: s3://audits, secretRef: {name: s3}}}}`,
	},
	"a secret of its own for the baseline": {
		given:    secrets,
		rejected: `spec: {baseline: {objectStorage: {url: s3://audits/a, secretRef: {name: other}}}}`,
		message:  "baseline must name the same Secret in secretRef as dataset, model and output: its keys become the environment of one pod",
		accepted: `spec: {baseline: {objectStorage: {url: s3://audits/a, secretRef: {name: s3}}}}`,
	},
	"a secret of its own for verdicts": {
		given:    `spec: {output: {objectStorage: {url: s3://audits, secretRef: {name: s3}}}}`,
		rejected: `spec: {duplicates: {verdicts: {objectStorage: {url: s3://audits/v.json, secretRef: {name: other}}}}}`,
		message:  "duplicates.verdicts must name the same Secret in secretRef as dataset, model, output and baseline: its keys become the environment of one pod",
		accepted: `spec: {duplicates: {verdicts: {objectStorage: {url: s3://audits/v.json}}}}`,
	},
	"a secret of its own for a reference": {
		given:    secrets,
		rejected: `spec: {references: [{name: bench, source: {objectStorage: {url: s3://a/b.safetensors, secretRef: {name: other}}}}]}`,
		message:  "references must name the same Secret in secretRef as dataset, model, output, baseline, duplicates.verdicts and each other: its keys become the environment of one pod",
		accepted: `spec: {references: [{name: bench, source: {objectStorage: {url: s3://a/b.safetensors, secretRef: {name: s3}}}}, {name: open, source: {objectStorage: {url: s3://a/c.safetensors}}}]}`,
	},
	"references of many layers": {
		rejected: fmt.Sprintf(`spec: {model: {layers: [a, b, c, d, e]}, references: [%s]}`, referenced(26)),
		message:  "references may be 128 at most, each counted once for each of model.layers: compare in several audits",
		accepted: fmt.Sprintf(`spec: {model: {layers: [a, b, c, d, e]}, references: [%s]}`, referenced(25)),
	},
	"secrets of their own for references": {
		rejected: `spec: {references: [{name: a, source: {objectStorage: {url: s3://a/b.safetensors, secretRef: {name: one}}}}, {name: b, source: {objectStorage: {url: s3://a/c.safetensors, secretRef: {name: two}}}}]}`,
		message:  "references must name the same Secret in secretRef as dataset, model, output, baseline, duplicates.verdicts and each other: its keys become the environment of one pod",
		accepted: `spec: {references: [{name: a, source: {objectStorage: {url: s3://a/b.safetensors, secretRef: {name: one}}}}, {name: b, source: {objectStorage: {url: s3://a/c.safetensors, secretRef: {name: one}}}}]}`,
	},
	"node selector too long": {
		rejected: `spec: {runner: {template: {nodeSelector: {zone: ` + strings.Repeat("a", 64) + `}}}}`,
		message:  "a label's key has at most 317 characters, its value at most 63",
		accepted: `spec: {runner: {template: {nodeSelector: {zone: a}}}}`,
	},
	"root": {
		rejected: `spec: {runner: {template: {runAsUser: 0}}}`,
		message:  "spec.runner.template.runAsUser",
		accepted: `spec: {runner: {template: {runAsUser: 1}}}`,
	},
	"containers in the template": {
		rejected: `spec: {runner: {template: {containers: [{name: a}]}}}`,
		message:  "spec.runner.template.containers: unknown field",
		accepted: `spec: {runner: {template: {runtimeClassName: nvidia}}}`,
	},
	"empty workspace": {
		rejected: `spec: {workspace: {}}`,
		message:  "exactly one of the fields in [persistentVolumeClaim size objectStorage] must be set",
		accepted: `spec: {workspace: {size: 10Gi}}`,
	},
	"class of a given claim": {
		rejected: `spec: {workspace: {persistentVolumeClaim: {claimName: scratch}, storageClassName: fast}}`,
		message:  "storageClassName is only for a claim made for the audit: set size",
		accepted: `spec: {workspace: {size: 10Gi, storageClassName: fast}}`,
	},
	"workspace of nothing": {
		rejected: `spec: {workspace: {size: 0}}`,
		message:  "size must be above 0",
		accepted: `spec: {workspace: {size: 1}}`,
	},
	"cron of four fields": {
		rejected: `spec: {schedule: {cron: "0 3 * *"}}`,
		message:  "cron must have five fields (minute, hour, day, month, weekday) separated by one space, or be @hourly, @daily, @weekly, @monthly or @yearly; the time zone stands in timeZone",
		accepted: `spec: {schedule: {cron: "0 3 * * 1"}}`,
	},
	"cron with a time zone": {
		rejected: `spec: {schedule: {cron: "TZ=0 0 3 * * 1"}}`,
		message:  "the time zone stands in timeZone",
		accepted: `spec: {schedule: {cron: "@weekly", timeZone: Europe/Berlin}}`,
	},
	"cron every": {
		rejected: `spec: {schedule: {cron: "@every 1s"}}`,
		message:  "cron must have five fields",
		accepted: `spec: {schedule: {cron: "*/5 0-6,12 1,15 JAN-mar mon-FRI"}}`,
	},
	"cron minute": {
		rejected: `spec: {schedule: {cron: "60 * * * *"}}`,
		message:  "the first field of cron, the minute, must be from 0 to 59: *, 5, 0-30, */15 or 0,30",
		accepted: `spec: {schedule: {cron: "59 * * * *"}}`,
	},
	"cron hour": {
		rejected: `spec: {schedule: {cron: "0 24 * * *"}}`,
		message:  "the second field of cron, the hour, must be from 0 to 23: *, 3, 8-18, */6 or 0,12",
		accepted: `spec: {schedule: {cron: "0 23 * * *"}}`,
	},
	"cron day": {
		rejected: `spec: {schedule: {cron: "0 0 0 * *"}}`,
		message:  "the third field of cron, the day, must be from 1 to 31: *, 1, 1-7 or 1,15",
		accepted: `spec: {schedule: {cron: "0 0 31 * ?"}}`,
	},
	"cron month": {
		rejected: `spec: {schedule: {cron: "0 0 1 13 *"}}`,
		message:  "the fourth field of cron, the month, must be from 1 to 12 or from JAN to DEC: *, 1, 4-6, */3 or 1,7",
		accepted: `spec: {schedule: {cron: "0 0 1 dec *"}}`,
	},
	"cron weekday": {
		rejected: `spec: {schedule: {cron: "0 0 * * 7"}}`,
		message:  "the fifth field of cron, the weekday, must be from 0 (Sunday) to 6 or from SUN to SAT: *, 1, 1-5 or 0,6",
		accepted: `spec: {schedule: {cron: "0 0 * * 0"}}`,
	},
	"cron never": {
		rejected: `spec: {schedule: {cron: "0 0 31 2 *"}}`,
		message:  "cron names a day that its month does not have: it would never run",
		accepted: `spec: {schedule: {cron: "0 0 29 2 *"}}`,
	},
	"revision in words": {
		rejected: `spec: {dataset: {revision: "the one of today"}}`,
		message:  "revision must begin with a letter or a digit, and have letters, digits and ._:/+- only",
		accepted: `spec: {dataset: {revision: "lakefs:main/2026-11-29T10:00+02"}}`,
	},
	"revision like a digest": {
		rejected: `spec: {dataset: {revision: "sha256:00"}}`,
		message:  "revision must not begin with sha256: that is how a job asks for a digest",
		accepted: `spec: {dataset: {revision: "sha256-00"}}`,
	},
	"local time": {
		rejected: `spec: {schedule: {cron: "@daily", timeZone: Local}}`,
		message:  "timeZone must be an IANA name such as Europe/Berlin or UTC",
		accepted: `spec: {schedule: {cron: "@daily", timeZone: America/Argentina/Buenos_Aires}}`,
	},
}

func TestRules(t *testing.T) {
	for name, r := range rules {
		t.Run(name, func(t *testing.T) {
			_, err := Load(merged(t, base, r.given, r.rejected))
			wantInvalid(t, err, r.message)
			if _, err := Load(merged(t, base, r.given, r.accepted)); err != nil {
				t.Errorf("neighbor is refused: %v", err)
			}
		})
	}
}

// The rules of a change: what may not become what.
var transitions = map[string]rule{
	"workspace shrinks": {
		given:    `spec: {workspace: {size: 10Gi}}`,
		rejected: `spec: {workspace: {size: 9Gi}}`,
		message:  "size can't shrink: remove the workspace first, or use another audit",
		accepted: `spec: {workspace: {size: 11Gi}}`,
	},
	"workspace changes its class": {
		given:    `spec: {workspace: {size: 10Gi, storageClassName: fast}}`,
		rejected: `spec: {workspace: {size: 10Gi, storageClassName: slow}}`,
		message:  "storageClassName can't change: remove the workspace first, or use another audit",
		accepted: `spec: {workspace: {size: 20Gi, storageClassName: fast}}`,
	},
	"workspace gets a class": {
		given:    `spec: {workspace: {size: 10Gi}}`,
		rejected: `spec: {workspace: {storageClassName: slow}}`,
		message:  "storageClassName can't change: remove the workspace first, or use another audit",
		accepted: `spec: {workspace: null}`,
	},
}

// The rules of the status, which Load does not read: what the controller can't make sense of is refused when it is
// stored.
var statuses = map[string]rule{
	"a run that ended at no time": {
		rejected: `status: {run: {outcome: Superseded}}`,
		message:  "outcome and completedAt belong together",
		accepted: `status: {run: {outcome: Superseded, completedAt: "2026-11-28T00:00:00Z"}}`,
	},
	"a failure without a reason": {
		rejected: `status: {run: {outcome: Failed, completedAt: "2026-11-28T00:00:00Z"}}`,
		message:  "a run that failed has an error",
		accepted: `status: {run: {outcome: Failed, completedAt: "2026-11-28T00:00:00Z", error: {reason: Internal, message: x}}}`,
	},
	"a success without a result": {
		rejected: `status: {run: {outcome: Succeeded, completedAt: "2026-11-28T00:00:00Z"}}`,
		message:  "a run that succeeded has a result",
		accepted: `status: {run: {outcome: Succeeded, completedAt: "2026-11-28T00:00:00Z"}, result: {runID: a}}`,
	},
}

func TestStatuses(t *testing.T) {
	v, err := theValidator()
	if err != nil {
		t.Fatal(err)
	}
	check := func(patch string) string {
		object, err := decode(merged(t, base, patch))
		if err != nil {
			t.Fatal(err)
		}
		errs, _ := v.cel.Validate(context.Background(), nil, v.structural, object, nil, celconfig.RuntimeCELCostBudget)
		return fmt.Sprint(describeAll(errs))
	}
	for name, r := range statuses {
		t.Run(name, func(t *testing.T) {
			if got := check(r.rejected); !strings.Contains(got, r.message) {
				t.Errorf("error is %q, want %q", got, r.message)
			}
			if got := check(r.accepted); got != "<nil>" {
				t.Errorf("neighbor is refused: %v", got)
			}
		})
	}
}

func TestTransitions(t *testing.T) {
	v, err := theValidator()
	if err != nil {
		t.Fatal(err)
	}
	update := func(from, to string) string {
		admitted := make([]map[string]any, 2)
		for i, patch := range []string{from, to} {
			object, err := decode(merged(t, base, patch))
			if err != nil {
				t.Fatal(err)
			}
			if err := v.admit(object); err != nil {
				t.Fatal(err)
			}
			admitted[i] = object
		}
		errs, _ := v.cel.Validate(context.Background(), nil, v.structural, admitted[1], admitted[0], celconfig.RuntimeCELCostBudget)
		return fmt.Sprint(describeAll(errs))
	}
	for name, r := range transitions {
		t.Run(name, func(t *testing.T) {
			given := string(merged(t, r.given))
			if got := update(given, string(merged(t, given, r.rejected))); !strings.Contains(got, r.message) {
				t.Errorf("error is %q, want %q", got, r.message)
			}
			if got := update(given, string(merged(t, given, r.accepted))); got != "<nil>" {
				t.Errorf("neighbor is refused: %v", got)
			}
		})
	}
}

// TestEveryRuleHasARow fails for a CEL rule of the definition that no row above rejects.
func TestEveryRuleHasARow(t *testing.T) {
	var rows []string
	for _, table := range []map[string]rule{rules, transitions, statuses} {
		for r := range maps.Values(table) {
			rows = append(rows, r.message)
		}
	}
	walk(t, func(path string, s *schema.Structural) {
		for _, validation := range s.XValidations {
			if validation.Message == "" {
				t.Errorf("%s: rule %s has no message", path, validation.Rule)
			}
			if !slices.ContainsFunc(rows, func(row string) bool { return row == validation.Message }) {
				t.Errorf("%s: no row rejects %q", path, validation.Message)
			}
		}
	})
}

// Bounds of numbers: the least and the greatest that are accepted.
var numbers = map[string]struct {
	given    string
	min, max int64
}{
	"familiarity.components":           {given: `spec: {reports: [Duplicates, Familiarity]}`, min: 1, max: 64},
	"dataset.maxSamples":               {min: 1, max: -1},
	"model.preprocessing.width":        {given: `spec: {model: {preprocessing: {height: 1}}}`, min: 1, max: 4096},
	"model.preprocessing.height":       {given: `spec: {model: {preprocessing: {width: 1}}}`, min: 1, max: 4096},
	"model.pooling.token":              {min: 0, max: 65535},
	"model.pooling.batchAxis":          {min: 0, max: 1},
	"reduction.pca.components":         {min: 1, max: 8192},
	"reduction.pca.batchSize":          {given: `spec: {reduction: {pca: {solver: Incremental, components: 1}}}`, min: 1, max: 1000000},
	"duplicates.neighbors":             {min: 2, max: 1000},
	"duplicates.maxClusterSize":        {min: 2, max: 100000},
	"duplicates.threshold.sensitivity": {min: 2, max: 1000},
	"output.topClusters":               {min: 0, max: 50},
	"runner.parallelism":               {given: `spec: {workspace: {persistentVolumeClaim: {claimName: scratch}}}`, min: 1, max: 1000},
	"runner.backoffLimit":              {min: 0, max: 100},
	"runner.template.runAsUser":        {min: 1, max: 2147483647},
	"runner.template.runAsGroup":       {min: 1, max: 2147483647},
	"runner.template.fsGroup":          {min: 1, max: 2147483647},
	"retention.successful":             {min: 1, max: 50},
	"retention.failed":                 {min: 0, max: 50},
}

func TestNumbers(t *testing.T) {
	for path, n := range numbers {
		t.Run(path, func(t *testing.T) {
			load := func(value int64) error {
				_, err := Load(merged(t, base, n.given, nested("spec."+path, value)))
				return err
			}
			wantInvalid(t, load(n.min-1), "spec."+path)
			if err := load(n.min); err != nil {
				t.Errorf("%d is refused: %v", n.min, err)
			}
			if n.max < 0 {
				return
			}
			wantInvalid(t, load(n.max+1), "spec."+path)
			if err := load(n.max); err != nil {
				t.Errorf("%d is refused: %v", n.max, err)
			}
		})
	}
}

// TestEverythingIsBounded fails for a list, map or string of the spec without an upper bound, and for a number that has
// no row in numbers. Kubernetes' own types are left to Kubernetes.
func TestEverythingIsBounded(t *testing.T) {
	foreign := []string{"affinity", "tolerations", "topologySpreadConstraints", "resourceClaims[]", "claims[]"}
	walk(t, func(path string, s *schema.Structural) {
		if !strings.HasPrefix(path, "spec.") || slices.ContainsFunc(foreign, func(f string) bool { return strings.Contains(path, "."+f) }) {
			return
		}
		bounds := s.ValueValidation
		if bounds == nil {
			bounds = &schema.ValueValidation{}
		}
		switch {
		case s.XIntOrString: // a quantity, or bounded by its rules
		case s.Type == "array" && bounds.MaxItems == nil:
			t.Errorf("%s: list without maxItems", path)
		case s.Type == "object" && s.AdditionalProperties != nil && bounds.MaxProperties == nil:
			t.Errorf("%s: map without maxProperties", path)
		case s.Type == "string" && bounds.MaxLength == nil && bounds.Enum == nil && !strings.HasSuffix(path, "{}"):
			t.Errorf("%s: string without maxLength", path)
		case s.Type == "integer" && !strings.HasSuffix(path, "[]"):
			if _, ok := numbers[strings.TrimPrefix(path, "spec.")]; !ok {
				t.Errorf("%s: number without a row", path)
			}
		}
	})
}

// Server-side apply can't tell a default in a list item from a value that someone set.
func TestNoDefaultsInLists(t *testing.T) {
	walk(t, func(path string, s *schema.Structural) {
		if strings.Contains(path, "[]") && s.Default.Object != nil {
			t.Errorf("%s: default %v inside a list item", path, s.Default.Object)
		}
	})
}

// TestLongTexts puts a text that is one character too long into each string of the spec, and a list one item too long
// into each list.
func TestLongTexts(t *testing.T) {
	parents := map[string]string{ // what a field needs around it to be reached
		"dataset.manifest":             `spec: {dataset: {format: Manifest}}`,
		"dataset.embeddings":           embeddings,
		"dataset.source.image":         `spec: {dataset: {source: {persistentVolumeClaim: null, image: {reference: a}}}}`,
		"dataset.source.objectStorage": `spec: {dataset: {source: {persistentVolumeClaim: null, objectStorage: {url: s3://a}}}}`,
	}
	walk(t, func(path string, s *schema.Structural) {
		if !strings.HasPrefix(path, "spec.") || strings.Contains(path, "[]") || strings.Contains(path, "{}") || s.ValueValidation == nil || s.ValueValidation.Enum != nil {
			return
		}
		var value any
		switch {
		case s.Type == "string" && s.ValueValidation.MaxLength != nil:
			value = strings.Repeat("a", int(*s.ValueValidation.MaxLength)+1)
		case s.Type == "array" && s.ValueValidation.MaxItems != nil:
			value = make([]any, *s.ValueValidation.MaxItems+1)
		default:
			return
		}
		given := ""
		for prefix, patch := range parents {
			if strings.HasPrefix(path, "spec."+prefix) {
				given = patch
			}
		}
		_, err := Load(merged(t, base, given, nested(path, value)))
		wantInvalid(t, err, path)
	})
}

func TestLoadDefaults(t *testing.T) {
	audit, err := Load([]byte(base))
	if err != nil {
		t.Fatal(err)
	}
	got, err := yaml.Marshal(audit.Spec)
	if err != nil {
		t.Fatal(err)
	}
	const want = `
dataset:
  source: {persistentVolumeClaim: {claimName: cifar10, path: images}}
  format: ImageFolder
  maxUnreadable: 1%
model:
  source: {persistentVolumeClaim: {claimName: models, path: mobilenet.onnx}}
  layers: [conv_pw_13]
  preprocessing: {preset: MobileNet}
reduction: {pca: {solver: Exact}}
duplicates: {method: Local, inspection: Pixels, neighbors: 50, threshold: {strategy: FalseDiscovery, rate: "0.01"}, maxClusterSize: 50}
output: {topClusters: 10}
runner: {parallelism: 1, executionProvider: Auto, backoffLimit: 3, startDeadline: 30m0s, deadline: 6h0m0s}
retention: {successful: 3, failed: 1}
`
	if diff := cmp.Diff(parsed(t, want), parsed(t, string(got))); diff != "" {
		t.Errorf("defaults (-want +got):\n%s", diff)
	}
	if audit.Status.ObservedGeneration != -1 {
		t.Errorf("observedGeneration is %d, want -1", audit.Status.ObservedGeneration)
	}
	if *audit.Spec.Duplicates.Neighbors != v1alpha1.DefaultLocalNeighbors ||
		*audit.Spec.Duplicates.MaxClusterSize != v1alpha1.DefaultMaxClusterSize ||
		*audit.Spec.Output.TopClusters != v1alpha1.DefaultTopClusters ||
		audit.Spec.Dataset.MaxUnreadable.String() != v1alpha1.DefaultMaxUnreadable {
		t.Error("a default of the definition is not the constant of the API")
	}
}

// The method that is meant follows from what the spec names, and the defaults follow from the method.
func TestLoadMethods(t *testing.T) {
	const pixels = `inspection: Pixels, neighbors: 50, threshold: {strategy: FalseDiscovery, rate: "0.01"}`
	tests := map[string]struct{ given, spec, want string }{
		"nothing":     {"", ``, `method: Local, ` + pixels},
		"Local":       {"", `method: Local`, `method: Local, ` + pixels},
		"rate":        {"", `threshold: {rate: "0.1"}`, `method: Local, inspection: Pixels, neighbors: 50, threshold: {strategy: FalseDiscovery, rate: "0.1"}`},
		"none":        {"", `inspection: None`, `method: Local, inspection: None, neighbors: 50, threshold: {strategy: FalseDiscovery, rate: "0.01"}`},
		"embeddings":  {embeddings, ``, `method: Local, inspection: None, neighbors: 50, threshold: {strategy: FalseDiscovery, rate: "0.01"}`},
		"Reference":   {"", `method: Reference`, `method: Reference, inspection: None, neighbors: 10, threshold: {strategy: Slope}`},
		"Slope":       {"", `threshold: {strategy: Slope}`, `method: Reference, inspection: None, neighbors: 10, threshold: {strategy: Slope}`},
		"sensitivity": {"", `threshold: {sensitivity: 7}`, `method: Reference, inspection: None, neighbors: 10, threshold: {strategy: Slope, sensitivity: 7}`},
		"Percentile":  {"", `threshold: {strategy: Percentile, percentile: "99"}`, `method: Reference, inspection: None, neighbors: 10, threshold: {strategy: Percentile, percentile: "99"}`},
		"Distance":    {"", `threshold: {strategy: Distance, distance: "5"}`, `method: Reference, inspection: None, neighbors: 10, threshold: {strategy: Distance, distance: "5"}`},
		"Cosine":      {"", `threshold: {strategy: Cosine, similarity: "0.9"}`, `method: Reference, inspection: None, neighbors: 10, threshold: {strategy: Cosine, similarity: "0.9"}`},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			audit, err := Load(merged(t, base, test.given, "spec: {duplicates: {"+test.spec+"}}"))
			if err != nil {
				t.Fatal(err)
			}
			got, err := yaml.Marshal(audit.Spec.Duplicates)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(parsed(t, "{maxClusterSize: 50, "+test.want+"}"), parsed(t, string(got))); diff != "" {
				t.Errorf("duplicates (-want +got):\n%s", diff)
			}
		})
	}
}

func TestLoadIsIdempotent(t *testing.T) {
	for name, r := range rules {
		t.Run(name, func(t *testing.T) {
			once, err := Load(merged(t, base, r.given, r.accepted))
			if err != nil {
				t.Fatal(err)
			}
			data, err := yaml.Marshal(once)
			if err != nil {
				t.Fatal(err)
			}
			twice, err := Load(data)
			if err != nil {
				t.Fatalf("what Load returned is refused: %v", err)
			}
			if diff := cmp.Diff(once, twice); diff != "" {
				t.Errorf("second load (-first +second):\n%s", diff)
			}
		})
	}
}

func TestLoadRefuses(t *testing.T) {
	tests := map[string]struct{ manifest, message string }{
		"nothing":             {"", "empty"},
		"a list":              {"- a", "no mapping"},
		"no YAML":             {"a: [", "yaml"},
		"another kind":        {"apiVersion: datasetaudit.io/v1alpha1\nkind: Job", `kind is "Job", want DatasetAudit`},
		"no kind":             {"apiVersion: datasetaudit.io/v1alpha1", "kind is missing"},
		"another version":     {"apiVersion: datasetaudit.io/v2\nkind: DatasetAudit", `apiVersion is "datasetaudit.io/v2", want datasetaudit.io/v1alpha1`},
		"no spec":             {"apiVersion: datasetaudit.io/v1alpha1\nkind: DatasetAudit\nmetadata: {name: a}", "spec: Required value"},
		"no name":             {strings.Replace(base, "name: cars,", "", 1), "metadata.name: Required value"},
		"a bad name":          {strings.Replace(base, "name: cars,", "name: Cars_1,", 1), "metadata.name: Invalid value"},
		"a field twice":       {base + "metadata: {name: b}", `key "metadata" already set`},
		"an unknown field":    {string(merged(t, base, `spec: {model: {pooling: {methods: Max}}}`)), "spec.model.pooling.methods: unknown field"},
		"two unknown fields":  {string(merged(t, base, `{a: 1, spec: {b: 2}}`)), "a: unknown field; spec.b: unknown field"},
		"unknown metadata":    {string(merged(t, base, `metadata: {nam: x}`)), "metadata.nam: unknown field"},
		"pooling as a string": {string(merged(t, base, `spec: {model: {pooling: Max}}`)), "spec.model.pooling in body must be of type object"},
		"many unknown fields": {base + manyFields(1000), "and 980 more"},
		"far too large":       {base + "#" + strings.Repeat("x", 2<<20), "bytes"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := Load([]byte(test.manifest))
			wantInvalid(t, err, test.message)
		})
	}
}

func FuzzLoad(f *testing.F) {
	f.Add([]byte(base))
	for _, r := range rules {
		f.Add(merged(f, base, r.given, r.rejected))
		f.Add(merged(f, base, r.given, r.accepted))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		audit, err := Load(data)
		if err != nil {
			return
		}
		if _, err := runtime.DefaultUnstructuredConverter.ToUnstructured(audit); err != nil {
			t.Errorf("an accepted audit is not an object: %v", err)
		}
	})
}

// referenced is a list of n references.
func referenced(n int) string {
	var out []string
	for i := range n {
		out = append(out, fmt.Sprintf("{name: r%d, source: {persistentVolumeClaim: {claimName: a, path: b.safetensors}}}", i))
	}
	return strings.Join(out, ", ")
}

func manyFields(n int) string {
	var text strings.Builder
	for i := range n {
		fmt.Fprintf(&text, "field%d: 0\n", i)
	}
	return text.String()
}

// wantInvalid fails unless err names the message and is an error of an invalid spec.
func wantInvalid(t *testing.T, err error, message string) {
	t.Helper()
	if err == nil {
		t.Fatalf("accepted, want an error with %q", message)
	}
	if !strings.Contains(err.Error(), message) {
		t.Errorf("error is %q, want %q in it", err, message)
	}
	if strings.Contains(err.Error(), "<nil>") {
		t.Errorf("error %q speaks of <nil>", err)
	}
	var coded *v1alpha1.RunError
	if !errors.As(err, &coded) || coded.Code != v1alpha1.ExitInvalidSpec {
		t.Errorf("error %v has not the exit code of an invalid spec", err)
	}
}

// walk visits every node of the definition's schema. In its path [] stands for a list's items and {} for a map's
// values.
func walk(t *testing.T, visit func(path string, s *schema.Structural)) {
	t.Helper()
	v, err := theValidator()
	if err != nil {
		t.Fatal(err)
	}
	var descend func(path string, s *schema.Structural)
	descend = func(path string, s *schema.Structural) {
		visit(path, s)
		for name, property := range s.Properties {
			descend(strings.TrimPrefix(path+"."+name, "."), &property)
		}
		if s.Items != nil {
			descend(path+"[]", s.Items)
		}
		if s.AdditionalProperties != nil && s.AdditionalProperties.Structural != nil {
			descend(path+"{}", s.AdditionalProperties.Structural)
		}
	}
	descend("", v.structural)
}

// merged merges YAML patches, each into the ones before it; null removes a field.
func merged(t testing.TB, patches ...string) []byte {
	t.Helper()
	object := map[string]any{}
	for _, patch := range patches {
		merge(object, parsed(t, patch))
	}
	data, err := yaml.Marshal(object)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func merge(into, patch map[string]any) {
	for key, value := range patch {
		child, isMap := value.(map[string]any)
		existing, exists := into[key].(map[string]any)
		switch {
		case value == nil:
			into[key] = nil
		case isMap && exists:
			merge(existing, child)
		default:
			into[key] = value
		}
	}
}

func parsed(t testing.TB, text string) map[string]any {
	t.Helper()
	var object map[string]any
	if err := yaml.Unmarshal([]byte(text), &object); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	return object
}

// nested is the YAML of value at a path of fields joined by dots.
func nested(path string, value any) string {
	fields := strings.Split(path, ".")
	for _, name := range slices.Backward(fields) {
		value = map[string]any{name: value}
	}
	data, err := yaml.Marshal(value)
	if err != nil {
		panic(err)
	}
	return string(data)
}
