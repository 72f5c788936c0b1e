import { FIELDS } from './changes.ts';
import { isSame, type FlagDocument } from './document.ts';

const INDENTATION = 2;

type JsonChangesProps = { readonly base: FlagDocument; readonly document: FlagDocument };

const textOf = (value: unknown): string => JSON.stringify(value ?? null, null, INDENTATION);

/** The fields that differ, as JSON before and after. */
export const JsonChanges = ({ base, document }: JsonChangesProps) => (
  <pre className="json" tabIndex={0}>
    {FIELDS.filter(field => !isSame(base[field] ?? null, document[field] ?? null)).map(field => (
      <span key={field}>
        <del>{`- "${field}": ${textOf(base[field])}`}</del>
        <ins>{`+ "${field}": ${textOf(document[field])}`}</ins>
      </span>
    ))}
  </pre>
);
