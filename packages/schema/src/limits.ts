/**
 * Every bound of the data model, in one place. Lengths are in code points, `…Bytes` are bytes of
 * UTF-8 JSON text, depths count the outermost as 1, and the rest are numbers of entries.
 */
export const LIMITS = {
  keyLength: 100,
  /** Of a variant's name and a rule's id. */
  nameLength: 100,
  /** Of what people call a flag or a segment, and of its owner. */
  titleLength: 200,
  textLength: 2_000,
  seedLength: 256,
  attributeLength: 256,
  patternLength: 256,
  versionLength: 256,
  originLength: 300,
  /** Of a flag key that is asked for; longer than any that can exist. */
  askedKeyLength: 1_000,
  tags: 50,
  variants: 100,
  splitWeight: 100_000,
  rules: 200,
  /** In one rule or segment, at all depths together; a group itself does not count. */
  conditionsPerRule: 50,
  groupDepth: 5,
  listValues: 10_000,
  metadataEntries: 100,
  valueBytes: 64 * 1024,
  flagBytes: 512 * 1024,
  segmentBytes: 512 * 1024,
  contextDepth: 20,
  /** At all depths together: a list is compared value by value with each condition on it. */
  contextValues: 20_000,
  jsonDepth: 32,
  flagKeysPerRequest: 1_000,
  pageSize: 200,
  allowedOrigins: 50,
} as const;
