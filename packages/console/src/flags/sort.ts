import { SORTS, type FlagsSearch, type Sort } from './flags-search.ts';
import { updatedAt, type Row } from './overview.ts';

const VALUES: Readonly<Record<Sort, (row: Row) => string>> = {
  key: ({ key }) => key,
  type: ({ type }) => type,
  owner: ({ owner }) => owner ?? '',
  changed: updatedAt,
};

/** Returns the column and the direction of a sort. */
export const directionOf = (sort: FlagsSearch['sort'] = 'key') => {
  const isDescending = sort.startsWith('-');
  const column: Sort = SORTS.find(each => sort.endsWith(each)) ?? 'key';
  return { column, isDescending };
};

/** Returns the rows in another order. Rows that are equal keep the order of their keys. */
export const sortRows = (rows: readonly Row[], sort: FlagsSearch['sort']): readonly Row[] => {
  const { column, isDescending } = directionOf(sort);
  if (column === 'key') return isDescending ? rows.toReversed() : rows;
  const valueOf = VALUES[column];
  const sign = isDescending ? -1 : 1;
  return rows.toSorted((a, b) => {
    const [left, right] = [valueOf(a), valueOf(b)];
    return left === right ? 0 : (left < right ? -1 : 1) * sign;
  });
};
