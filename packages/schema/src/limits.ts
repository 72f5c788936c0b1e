/**
 * The limits of the data model. Lengths are in code points, `…Bytes` in bytes of JSON in UTF-8.
 * Depths count the outermost level as 1. The rest are numbers of entries.
 */
export const LIMITS = {
  keyLength: 100,
  /** Of variant names, rule ids, tags and API key names. */
  nameLength: 100,
  /** Of the `name` and the `owner` of a flag or segment. */
  titleLength: 200,
  textLength: 2_000,
  seedLength: 256,
  attributeLength: 256,
  patternLength: 256,
  versionLength: 256,
  originLength: 300,
  /** Of a flag key in a request. Longer than `keyLength`, so an unknown key is not a bad request. */
  requestedKeyLength: 1_000,
  tags: 50,
  variants: 100,
  splitWeight: 100_000,
  rules: 200,
  /** In one rule or segment, at all depths together. Groups themselves do not count. */
  conditionsPerRule: 50,
  groupDepth: 5,
  listValues: 10_000,
  metadataEntries: 100,
  valueBytes: 64 * 1024,
  flagBytes: 512 * 1024,
  segmentBytes: 512 * 1024,
  /** In one environment. */
  namedContexts: 200,
  namedContextBytes: 16 * 1024,
  contextDepth: 20,
  /** At all depths together. Limited because a condition may compare every value of a list. */
  contextValues: 20_000,
  jsonDepth: 32,
  flagKeysPerRequest: 1_000,
  pageSize: 200,
  allowedOrigins: 50,
  /** Of a person, a group or an invitation. */
  grants: 100,
  /** Of a group. */
  members: 1_000,
  emailLength: 254,
  passwordMin: 12,
  passwordMax: 200,
  /** In one report of usage. */
  usageCounts: 2_000,
  /** Evaluations of one flag, variant and reason in one report. */
  usageCount: 1_000_000_000,
  /** The same in reports of client keys, which are public. */
  publicUsageCount: 10_000,
  usageReportBytes: 64 * 1024,
  /** In one environment, as the two below. */
  metrics: 200,
  experiments: 500,
  layers: 50,
  ramps: 200,
  /** Experiments of one environment that are running or settling. */
  liveExperiments: 50,
  metricsPerExperiment: 20,
  /** Numbers that are stored of each unit: one for a metric, one more for a ratio or a covariate. */
  valuesPerUnit: 24,
  eventNameLength: 100,
  /** 90 days. */
  windowMs: 90 * 86_400_000,
  plannedUnits: 1_000_000_000,
  metricBytes: 64 * 1024,
  experimentBytes: 64 * 1024,
  /** Of a request. A ramp also keeps the rule as it was. */
  rampBytes: 640 * 1024,
  rampSteps: 20,
  /** 90 days. */
  rampMinutes: 90 * 1_440,
  /** Ramps of one environment that are running or paused. */
  rampsAtWork: 50,
  /** In one request. */
  eventsPerBatch: 500,
  eventBatchBytes: 256 * 1024,
  eventBytes: 4 * 1024,
  eventAttributes: 20,
  unitLength: 256,
} as const;
