package controllers

import (
	"cmp"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
)

// The runner's container, and what is where in it.
const (
	runnerContainer = "runner"

	inputFolder     = "/etc/dataset-audit"
	datasetFolder   = "/dataset"
	modelFolder     = "/model"
	baselineFolder  = "/baseline"
	referenceFolder = "/reference" // with a folder for each
	verdictsFolder  = "/verdicts"
	scratchFolder   = "/scratch"
	workspaceFolder = "/workspace"
	caFolder        = "/etc/dataset-audit-ca"

	// defaultGroup owns the writable volumes of pods, and is the group of the runner's image.
	defaultGroup = 65532

	// exitTerminated is how a process that SIGTERM ended at once is reported.
	exitTerminated = 143
)

// buildJob is the Job of a step of the run in status.
func buildJob(audit *v1alpha1.DatasetAudit, options *Options, s step) *batchv1.Job {
	spec := &audit.Spec
	job := &batchv1.Job{
		ObjectMeta: runMeta(audit, "-"+string(s)),
		Spec: batchv1.JobSpec{
			BackoffLimit:     retriesLeft(audit),
			PodFailurePolicy: podFailurePolicy(),
			Template:         podTemplate(audit, options, s),
		},
	}
	job.Labels[v1alpha1.LabelStage] = string(s)
	if queue := audit.Status.Run.Queue; queue != "" {
		job.Labels[v1alpha1.LabelQueueName] = queue
	}
	if class := audit.Labels[v1alpha1.LabelPriorityClass]; class != "" {
		job.Labels[v1alpha1.LabelPriorityClass] = class
	}
	if s == stepEmbed || s == stepNeighbors {
		job.Spec.CompletionMode = new(batchv1.IndexedCompletion)
		job.Spec.Completions = new(parallelism(spec))
		job.Spec.Parallelism = new(parallelism(spec))
		// No backoffLimitPerIndex: it keeps the finalizer of a failed pod until another takes its place. In a namespace that
		// is being deleted none does, and since Kubernetes deletes pods there before Jobs, the namespace would stay for ever.
	}
	return job
}

// retriesLeft is the backoff limit of the run's next Job, with the pods that failed in earlier attempts counted.
func retriesLeft(audit *v1alpha1.DatasetAudit) *int32 {
	limit, failed := audit.Spec.Runner.BackoffLimit, audit.Status.Run.FailedPods
	if limit == nil || failed == 0 {
		return limit
	}
	return new(max(*limit-failed, 0))
}

// What ends pods from outside costs no retry, and an audit that can't work isn't tried again. The order counts.
func podFailurePolicy() *batchv1.PodFailurePolicy {
	onExit := func(action batchv1.PodFailurePolicyAction, codes ...int32) batchv1.PodFailurePolicyRule {
		return batchv1.PodFailurePolicyRule{Action: action, OnExitCodes: &batchv1.PodFailurePolicyOnExitCodesRequirement{
			ContainerName: new(runnerContainer), Operator: batchv1.PodFailurePolicyOnExitCodesOpIn, Values: codes,
		}}
	}
	return &batchv1.PodFailurePolicy{Rules: []batchv1.PodFailurePolicyRule{
		{
			Action: batchv1.PodFailurePolicyActionIgnore,
			OnPodConditions: []batchv1.PodFailurePolicyOnPodConditionsPattern{
				{Type: corev1.DisruptionTarget, Status: corev1.ConditionTrue},
			},
		},
		onExit(batchv1.PodFailurePolicyActionIgnore, int32(v1alpha1.ExitInterrupted), exitTerminated),
		onExit(batchv1.PodFailurePolicyActionFailJob, v1alpha1.PermanentExitCodes()...),
	}}
}

func podTemplate(audit *v1alpha1.DatasetAudit, options *Options, s step) corev1.PodTemplateSpec {
	user := &audit.Spec.Runner.Template
	meta := runMeta(audit, "")
	meta.Labels[v1alpha1.LabelStage] = string(s)

	pod := corev1.PodTemplateSpec{}
	pod.Labels, pod.Annotations = meta.Labels, meta.Annotations
	pod.Spec = corev1.PodSpec{
		RestartPolicy:                 corev1.RestartPolicyNever,
		ServiceAccountName:            serviceAccountName(audit),
		AutomountServiceAccountToken:  new(true), // the runner writes its two ConfigMaps
		EnableServiceLinks:            new(false),
		NodeSelector:                  nodeSelector(audit, options),
		Tolerations:                   user.Tolerations,
		Affinity:                      user.Affinity,
		TopologySpreadConstraints:     user.TopologySpreadConstraints,
		PriorityClassName:             user.PriorityClassName,
		TerminationGracePeriodSeconds: new(int64(60)), // a checkpoint of what is in flight
		SecurityContext: &corev1.PodSecurityContext{
			RunAsNonRoot:        new(true),
			RunAsUser:           user.RunAsUser,
			RunAsGroup:          user.RunAsGroup,
			FSGroup:             user.FSGroup,
			FSGroupChangePolicy: new(corev1.FSGroupChangeOnRootMismatch),
			SeccompProfile:      &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
		},
	}
	for _, claim := range user.ResourceClaims { // one that the container doesn't use would hold a device in vain
		if slices.ContainsFunc(stepResources(&audit.Spec.Runner, s).Claims, func(c corev1.ResourceClaim) bool { return c.Name == claim.Name }) {
			pod.Spec.ResourceClaims = append(pod.Spec.ResourceClaims, claim)
		}
	}
	if user.FSGroup == nil && cmp.Or(user.Identity, options.Identity) != v1alpha1.IdentityPlatform {
		pod.Spec.SecurityContext.FSGroup = new(int64(defaultGroup))
	}
	if user.RuntimeClassName != "" {
		pod.Spec.RuntimeClassName = &user.RuntimeClassName
	}
	for _, secret := range user.ImagePullSecrets {
		pod.Spec.ImagePullSecrets = append(pod.Spec.ImagePullSecrets, corev1.LocalObjectReference{Name: secret.Name})
	}
	container := runner(audit, options, s)
	for _, m := range mounts(audit, options) {
		pod.Spec.Volumes = append(pod.Spec.Volumes, corev1.Volume{Name: m.name, VolumeSource: m.source})
		container.VolumeMounts = append(container.VolumeMounts, corev1.VolumeMount{Name: m.name, MountPath: m.folder, ReadOnly: m.readOnly})
	}
	container.Args = runnerArgs(audit, s)
	pod.Spec.Containers = []corev1.Container{container}
	return pod
}

// nodeSelector keeps the pods on nodes that can run the image, and where the user wants them.
func nodeSelector(audit *v1alpha1.DatasetAudit, options *Options) map[string]string {
	out := map[string]string{corev1.LabelOSStable: "linux"}
	if options.RunnerArch != "" && audit.Spec.Runner.Image == "" {
		out[corev1.LabelArchStable] = options.RunnerArch
	}
	maps.Copy(out, audit.Spec.Runner.Template.NodeSelector)
	return out
}

func runner(audit *v1alpha1.DatasetAudit, options *Options, s step) corev1.Container {
	image, resources := audit.Status.Run.Image, stepResources(&audit.Spec.Runner, s)
	if s == stepEmbed {
		image = cmp.Or(audit.Status.Run.EmbedImage, image)
	}
	container := corev1.Container{
		Name:      runnerContainer,
		Image:     image,
		Resources: corev1.ResourceRequirements{Limits: resources.Limits, Requests: resources.Requests, Claims: resources.Claims},
		Env: append([]corev1.EnvVar{
			{Name: "TMPDIR", Value: scratchFolder},
			{Name: "HOME", Value: scratchFolder},
		}, options.RunnerEnv...),
		TerminationMessagePolicy: corev1.TerminationMessageFallbackToLogsOnError, // a program that can't start writes no message
		SecurityContext: &corev1.SecurityContext{
			AllowPrivilegeEscalation: new(false),
			ReadOnlyRootFilesystem:   new(true),
			Capabilities:             &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
		},
	}
	if options.CABundle != "" {
		// Added to the image's own: SSL_CERT_FILE would replace them.
		container.Env = append(container.Env, corev1.EnvVar{Name: "SSL_CERT_DIR", Value: "/etc/ssl/certs:" + caFolder})
	}
	for _, place := range objectStorages(&audit.Spec) {
		if place.SecretRef != nil { // the CRD holds that all name the same
			container.EnvFrom = []corev1.EnvFromSource{{SecretRef: &corev1.SecretEnvSource{
				LocalObjectReference: corev1.LocalObjectReference{Name: place.SecretRef.Name},
			}}}
		}
	}
	return container
}

// stepResources are those of a step's pods. One that only lists gets no device.
func stepResources(spec *v1alpha1.RunnerSpec, s step) *v1alpha1.RunnerResources {
	if s == stepCheck {
		return &v1alpha1.RunnerResources{Limits: withoutDevices(spec.Resources.Limits), Requests: withoutDevices(spec.Resources.Requests)}
	}
	for i := range spec.Stages {
		if s == stepEmbed && spec.Stages[i].Name == v1alpha1.StageEmbed {
			return &spec.Stages[i].Resources
		}
	}
	return &spec.Resources
}

func withoutDevices(resources corev1.ResourceList) corev1.ResourceList {
	plain := corev1.ResourceList{}
	for _, name := range []corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceMemory, corev1.ResourceEphemeralStorage} {
		if quantity, asked := resources[name]; asked {
			plain[name] = quantity
		}
	}
	return plain
}

// mount is a volume and where it is in the container.
type mount struct {
	name, folder string
	readOnly     bool
	source       corev1.VolumeSource
}

func mounts(audit *v1alpha1.DatasetAudit, options *Options) []mount {
	spec := &audit.Spec
	out := []mount{
		{"input", inputFolder, true, corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{
			LocalObjectReference: corev1.LocalObjectReference{Name: baseName(audit.Name, audit.Status.Run.ID) + v1alpha1.InputSuffix},
		}}},
		{"scratch", scratchFolder, false, corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}},
	}
	source := spec.Dataset.Source
	if volume, ok := readOnlyVolume(source.PersistentVolumeClaim, source.Image); ok {
		out = append(out, mount{"dataset", datasetFolder, true, volume})
	}
	if spec.Model != nil {
		if volume, ok := readOnlyVolume(spec.Model.Source.PersistentVolumeClaim, spec.Model.Source.Image); ok {
			out = append(out, mount{"model", modelFolder, true, volume})
		}
	}
	if base := spec.Baseline; base != nil {
		if volume, ok := readOnlyVolume(base.PersistentVolumeClaim, base.Image); ok {
			out = append(out, mount{"baseline", baselineFolder, true, volume})
		}
	}
	for _, ref := range spec.References {
		if volume, ok := readOnlyVolume(ref.Source.PersistentVolumeClaim, ref.Source.Image); ok {
			out = append(out, mount{volumeName("reference", ref.Name), path.Join(referenceFolder, ref.Name), true, volume})
		}
	}
	if verdicts := spec.Duplicates.Verdicts; verdicts != nil && verdicts.ConfigMap != nil {
		key := cmp.Or(verdicts.ConfigMap.Key, v1alpha1.DefaultVerdictsKey)
		out = append(out, mount{"verdicts", verdictsFolder, true, corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{
			LocalObjectReference: corev1.LocalObjectReference{Name: verdicts.ConfigMap.Name},
			Items:                []corev1.KeyToPath{{Key: key, Path: v1alpha1.DefaultVerdictsKey}},
		}}})
	}
	if ws := spec.Workspace; ws != nil && ws.ObjectStorage == nil {
		claim := workspaceName(audit.Name)
		if ws.PersistentVolumeClaim != nil {
			claim = ws.PersistentVolumeClaim.ClaimName
		}
		out = append(out, mount{"workspace", workspaceFolder, false, corev1.VolumeSource{
			PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: claim},
		}})
	}
	if options.CABundle != "" {
		out = append(out, mount{"ca", caFolder, true, corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{
			LocalObjectReference: corev1.LocalObjectReference{Name: options.CABundle},
			Items:                []corev1.KeyToPath{{Key: "ca.crt", Path: "ca.crt"}},
			Optional:             new(true),
		}}})
	}
	return out
}

// volumeName is a DNS label for a volume: kind and name, and a hash in place of what is too much.
func volumeName(kind, name string) string {
	if out := kind + "-" + name; len(out) <= 63 {
		return out
	}
	return kind + "-" + name[:40] + "-" + digest(name)[:10]
}

// A claim is read-only as a whole, so that nothing changes the owner of its files either.
func readOnlyVolume(claim *v1alpha1.ClaimSource, image *v1alpha1.ImageSource) (corev1.VolumeSource, bool) {
	switch {
	case claim != nil:
		return corev1.VolumeSource{PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: claim.ClaimName, ReadOnly: true}}, true
	case image != nil:
		return corev1.VolumeSource{Image: &corev1.ImageVolumeSource{Reference: image.Reference, PullPolicy: image.PullPolicy}}, true
	}
	return corev1.VolumeSource{}, false
}

// runnerArgs is the runner's command line, without a shell.
func runnerArgs(audit *v1alpha1.DatasetAudit, s step) []string {
	spec, run := &audit.Spec, audit.Status.Run
	base := baseName(audit.Name, run.ID)
	args := []string{
		"audit", "--file=" + path.Join(inputFolder, v1alpha1.KeyAudit),
		"--input-sha256=" + run.InputSHA256,
		"--run=" + run.ID,
		"--result-configmap=" + base + v1alpha1.ResultSuffix,
		"--record=" + base + v1alpha1.RecordSuffix,
		"--termination-message=" + corev1.TerminationMessagePathDefault,
	}
	if folder, ok := volumePath(datasetFolder, spec.Dataset.Source.PersistentVolumeClaim, spec.Dataset.Source.Image); ok {
		args = append(args, "--dataset="+literal(folder))
	}
	if spec.Model != nil {
		if file, ok := volumePath(modelFolder, spec.Model.Source.PersistentVolumeClaim, spec.Model.Source.Image); ok {
			args = append(args, "--model="+literal(file))
		}
	}
	if base := spec.Baseline; base != nil {
		if folder, ok := volumePath(baselineFolder, base.PersistentVolumeClaim, base.Image); ok {
			args = append(args, "--baseline="+literal(folder))
		}
	}
	for _, ref := range spec.References {
		if file, ok := volumePath(path.Join(referenceFolder, ref.Name), ref.Source.PersistentVolumeClaim, ref.Source.Image); ok {
			args = append(args, "--reference="+ref.Name+"="+literal(file))
		}
	}
	if verdicts := spec.Duplicates.Verdicts; verdicts != nil && verdicts.ConfigMap != nil {
		args = append(args, "--verdicts="+path.Join(verdictsFolder, v1alpha1.DefaultVerdictsKey))
	}
	args = append(args, "--work="+literal(workFolder(audit)))
	if place := vectorsPlace(audit); place != "" && run.Steps != nil { // an earlier operator's runner doesn't know it
		args = append(args, "--vectors="+literal(place))
	}
	inStages := len(spec.Runner.Stages) > 0
	if s != stepEmbed && inStages {
		args = append(args, "--embedded")
	}
	if schedule := spec.Schedule; schedule != nil && schedule.Runs == v1alpha1.RunsIfChanged && (s == stepEmbed && inStages || s == stepAudit) {
		args = append(args, "--listed") // the manifest in its input has no schedule
	}
	shard := fmt.Sprintf("--shard=$(JOB_COMPLETION_INDEX)/%d", parallelism(spec))
	switch s {
	case stepCheck:
		return append(args, "--stage="+string(v1alpha1.StageRead))
	case stepEmbed:
		return append(args, "--stage="+string(v1alpha1.StageEmbed), shard)
	case stepNeighbors:
		return append(args, "--stage="+string(v1alpha1.StageNeighbors), shard)
	case stepAudit:
	}
	if slices.Contains(run.Steps, string(stepNeighbors)) {
		args = append(args, "--searched")
	}
	if keepsClusters(run) {
		return append(args, "--clusters-configmap="+base+v1alpha1.ClustersSuffix, "--out="+path.Join(scratchFolder, "out"))
	}
	return append(args, "--out="+literal(v1alpha1.RunURL(spec.Output.ObjectStorage.URL, audit.Namespace, audit.Name, run.ID)))
}

// literal keeps Kubernetes from expanding $(VARIABLE) in what a user wrote: the environment may hold credentials.
func literal(s string) string { return strings.ReplaceAll(s, "$", "$$") }

func volumePath(folder string, claim *v1alpha1.ClaimSource, image *v1alpha1.ImageSource) (string, bool) {
	switch {
	case claim != nil:
		return path.Join(folder, claim.Path), true
	case image != nil:
		return path.Join(folder, image.Path), true
	}
	return "", false
}

// workFolder is where the audit's checkpoints are: the same for all its runs, and no other audit's.
func workFolder(audit *v1alpha1.DatasetAudit) string {
	ws := audit.Spec.Workspace
	switch {
	case ws == nil, ws.ObjectStorage != nil:
		return path.Join(scratchFolder, "work")
	case ws.PersistentVolumeClaim != nil:
		return path.Join(workspaceFolder, ws.PersistentVolumeClaim.Path, audit.Name)
	}
	return path.Join(workspaceFolder, audit.Name)
}

// vectorsPlace is where the audit shares vectors with others; empty where nothing is shared.
func vectorsPlace(audit *v1alpha1.DatasetAudit) string {
	switch ws, output := audit.Spec.Workspace, audit.Spec.Output.ObjectStorage; {
	case ws == nil && output != nil:
		return v1alpha1.VectorsURL(output.URL, audit.Namespace)
	case ws == nil, ws.Size != nil:
		return ""
	case ws.ObjectStorage != nil:
		return v1alpha1.VectorsURL(ws.ObjectStorage.URL, audit.Namespace)
	default:
		return path.Join(workspaceFolder, ws.PersistentVolumeClaim.Path, v1alpha1.VectorsName)
	}
}
