import type { Change } from './changes.ts';

/** Differences, each with what was before and what is after it. People write the values in any direction. */
export const ChangeList = ({ changes }: { readonly changes: readonly Change[] }) => (
  <ul className="changes">
    {changes.map(({ title, before, after }) => (
      <li key={title}>
        <strong>{title}</strong>
        {before !== undefined && (
          <del>
            <bdi>{before}</bdi>
          </del>
        )}
        {after !== undefined && (
          <ins>
            <bdi>{after}</bdi>
          </ins>
        )}
      </li>
    ))}
  </ul>
);
