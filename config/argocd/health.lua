-- The health of a DatasetAudit for Argo CD: resource.customizations.health.datasetaudit.io_DatasetAudit in the ConfigMap argocd-cm.
-- A dataset full of duplicates is healthy: whether it may be used is the condition Compliant, and a gate's business.
local health = { status = "Progressing", message = "Waiting for the controller to look at this spec" }
local status = obj.status
if status == nil or status.conditions == nil or status.observedGeneration ~= obj.metadata.generation then
  return health
end
local conditions = {}
for _, condition in ipairs(status.conditions) do
  conditions[condition.type] = condition
end
local ready = conditions.Ready
if ready == nil then
  return health
end
health.message = ready.message
if conditions.Stalled ~= nil then
  health.status = "Degraded"
elseif ready.status == "True" then
  health.status = "Healthy"
elseif ready.reason == "Suspended" then
  health.status = "Suspended"
end
return health
