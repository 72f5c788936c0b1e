import type { Flag, Segment } from '@pennon/schema';

export type SearchFilter = {
  /** Text in the key, name or description, in either case. */
  readonly search?: string | undefined;
  readonly tag?: string | undefined;
};

/** Whether a flag or segment is one of those asked for. */
export const wantedDefinition = ({
  search,
  tag,
}: SearchFilter): ((definition: Flag | Segment) => boolean) => {
  const text = search?.toLowerCase();
  return ({ key, name, description, tags }) =>
    (tag === undefined || (tags ?? []).includes(tag)) &&
    (text === undefined ||
      [key, name, description].some(field => field?.toLowerCase().includes(text) === true));
};
