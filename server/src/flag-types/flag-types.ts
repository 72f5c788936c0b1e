import { createHash } from 'node:crypto';

import { environmentOf, type Caller } from '../auth/caller.ts';
import type { SharedText } from '../flag-set/text.ts';
import { toCodeFlag, type CodeFlag } from '../flags/code.ts';
import type { ResourceServices } from '../resources/resource-type.ts';
import { mapInSlices } from '../slices.ts';
import { pythonModule } from './python.ts';
import { typeScriptModule } from './typescript.ts';

/** The languages, by the ending of a file. */
const MODULES = { ts: typeScriptModule, py: pythonModule } satisfies Record<
  string,
  (flags: readonly CodeFlag[]) => Iterable<string>
>;
export type Language = keyof typeof MODULES;

export type FlagTypes = {
  readonly text: SharedText;
  /** Depends on the text only, so it is the same on every server. */
  readonly etag: string;
};

/**
 * Returns source text with the types of all flags of an environment. It depends on the keys, the values and the
 * descriptions of flags only, so other changes do not change a byte.
 */
export const readFlagTypes = async (
  { registry }: Pick<ResourceServices, 'registry'>,
  caller: Caller,
  { environment, language }: { readonly environment: string | undefined; language: Language },
): Promise<FlagTypes> => {
  const { replica } = registry.find(environmentOf(caller, environment));
  const { flags } = replica.current().records;
  const codeFlags = await mapInSlices(flags.values(), ({ document }) => toCodeFlag(document));
  const text = await mapInSlices(MODULES[language](codeFlags), part => Buffer.from(part));
  return { text, etag: await etagOf(text) };
};

const etagOf = async (text: SharedText): Promise<string> => {
  const hash = createHash('sha256');
  await mapInSlices(text, part => hash.update(part));
  return `"${hash.digest('base64url')}"`;
};
