package v1alpha1

// Types of conditions. Reconciling and Stalled stand in status only while they are True.
const (
	// ConditionReady is True once the results of the current spec are in status. A dataset full of duplicates is ready.
	ConditionReady = "Ready"
	// ConditionReconciling is True while a run is on its way.
	ConditionReconciling = "Reconciling"
	// ConditionStalled is True when nothing will happen until someone changes something.
	ConditionStalled = "Stalled"
	// ConditionResultsPublished is True when the results of the latest finished run are stored and verified.
	ConditionResultsPublished = "ResultsPublished"
	// ConditionCompliant is True when the results fulfill spec.policy, False when a rule of severity Fail is violated,
	// and Unknown when that can't be said: there are no rules, no results of this spec, or a figure that a rule needs
	// is absent.
	ConditionCompliant = "Compliant"
)

// Reasons of Ready and Reconciling.
const (
	// ReasonSucceeded means that the results of the current spec are in status.
	ReasonSucceeded = "Succeeded"
	// ReasonPending means that a run is decided, its Job not yet created; or it waits until the pods of an earlier run
	// have ended.
	ReasonPending = "Pending"
	// ReasonWaitingForSlot means that as many audits run as --max-active-runs allows.
	ReasonWaitingForSlot = "WaitingForSlot"
	// ReasonWaitingForCapacity means that the pods wait for a node, a quota or Kueue's admission.
	ReasonWaitingForCapacity = "WaitingForCapacity"
	// ReasonStarting means that the pods are scheduled and wait for images or volumes. What keeps them longer has a
	// reason of its own, ImageUnavailable or PodNotStartable.
	ReasonStarting = "Starting"
	// ReasonRunning means that the pods work.
	ReasonRunning = "Running"
	// ReasonRetrying means that a pod failed or is being stopped, and another follows.
	ReasonRetrying = "Retrying"
	// ReasonNodeLost means that the node of the last pod that worked does not answer. The pod works on if the node
	// comes back, and the run goes on elsewhere as soon as the cluster gives the pod up.
	ReasonNodeLost = "NodeLost"
	// ReasonSuspended means that spec.suspend is true.
	ReasonSuspended = "Suspended"
)

// Reasons of Stalled, and of Ready=False with it. A run that failed bears the reason of its RunError.
const (
	// ReasonInvalidSpec means that the spec can't work; the message names the field.
	ReasonInvalidSpec = "InvalidSpec"
	// ReasonInvalidSchedule means that spec.schedule never fires, or its time zone is unknown.
	ReasonInvalidSchedule = "InvalidSchedule"
	// ReasonInvalidPolicy means that an expression of spec.policy does not compile; the message names the rule and the
	// position.
	ReasonInvalidPolicy = "InvalidPolicy"
	// ReasonForbidden means that a DatasetAuditPolicy of the platform does not allow the spec; the message names both. It
	// is a reason of Compliant, too.
	ReasonForbidden = "Forbidden"
	// ReasonInvalidModel means that the model can't be used: digest, syntax, a layer that does not exist or is
	// ambiguous, an input that is not an image.
	ReasonInvalidModel = "InvalidModel"
	// ReasonInvalidDataset means that the dataset can't be audited: empty, unreadable, a duplicate ID, more unreadable
	// samples than allowed.
	ReasonInvalidDataset = "InvalidDataset"
	// ReasonInvalidResult means that the model computed NaN or infinity; the message names sample and layer.
	ReasonInvalidResult = "InvalidResult"
	// ReasonProviderUnavailable means that the execution provider isn't there.
	ReasonProviderUnavailable = "ProviderUnavailable"
	// ReasonNameConflict means that an object of a needed name belongs to someone else.
	ReasonNameConflict = "NameConflict"
	// ReasonImageUnavailable means that an image can't be pulled. While that may still change, until
	// spec.runner.startDeadline, it is a reason of Reconciling.
	ReasonImageUnavailable = "ImageUnavailable"
	// ReasonPodNotStartable means that a volume, Secret or other part of the pod's configuration is missing. While that
	// may still change, until spec.runner.startDeadline, it is a reason of Reconciling.
	ReasonPodNotStartable = "PodNotStartable"
	// ReasonStartDeadlineExceeded means that the pods did not start within spec.runner.startDeadline.
	ReasonStartDeadlineExceeded = "StartDeadlineExceeded"
	// ReasonDeadlineExceeded means that the run worked longer than spec.runner.deadline.
	ReasonDeadlineExceeded = "DeadlineExceeded"
	// ReasonBackoffLimitExceeded means that the run failed more often than spec.runner.backoffLimit.
	ReasonBackoffLimitExceeded = "BackoffLimitExceeded"
	// ReasonOutOfMemory means that a pod was killed for its memory.
	ReasonOutOfMemory = "OutOfMemory"
	// ReasonStorageFailed means that reading or writing failed.
	ReasonStorageFailed = "StorageFailed"
	// ReasonDiskFull means that the workspace or scratch volume is full.
	ReasonDiskFull = "DiskFull"
	// ReasonInternal stands for an error that should not happen.
	ReasonInternal = "Internal"
	// ReasonInterrupted means that the runner was asked to stop and kept its checkpoints.
	ReasonInterrupted = "Interrupted"
	// ReasonInvalidUsage means that the runner was started with wrong flags.
	ReasonInvalidUsage = "InvalidUsage"
)

// Reasons of ResultsPublished.
const (
	// ReasonPublished means that the results are stored, and their digest is the one that the pod reported.
	ReasonPublished = "Published"
	// ReasonTruncated means that the results are stored, but lists were cut to fit a ConfigMap.
	ReasonTruncated = "Truncated"
	// ReasonNoResults means that no run has finished yet.
	ReasonNoResults = "NoResults"
	// ReasonDigestMismatch means that the stored summary is not the one that the pod reported, or what the pod read is
	// not what it was given: someone changed it.
	ReasonDigestMismatch = "DigestMismatch"
	// ReasonResultsMissing means that the pod succeeded, but there is no summary, or it can't be read.
	ReasonResultsMissing = "ResultsMissing"
)

// Reasons of Compliant.
const (
	// ReasonCompliant means that every rule of severity Fail is fulfilled.
	ReasonCompliant = "RulesFulfilled"
	// ReasonViolated means that a rule of severity Fail is violated; the message names it with its figures.
	ReasonViolated = "RulesViolated"
	// ReasonNotEvaluated means that a rule could not be evaluated, because a figure that it needs is absent.
	ReasonNotEvaluated = "NotEvaluated"
	// ReasonExpired means that the results are older than a DatasetAuditPolicy allows.
	ReasonExpired = "Expired"
	// ReasonNoPolicy means that spec.policy has no rules, so there is nothing to comply with.
	ReasonNoPolicy = "NoPolicy"
)
