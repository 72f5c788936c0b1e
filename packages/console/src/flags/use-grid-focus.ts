import { useEffect, useRef, useState, type KeyboardEvent, type RefObject } from 'react';

export type GridPosition = { readonly row: number; readonly column: number };

type GridFocusOptions = {
  readonly grid: RefObject<HTMLElement | null>;
  readonly rows: number;
  readonly columns: number;
  readonly onMove: (row: number) => void;
};

/** Rows that Page Up and Page Down move by. */
const PAGE_ROWS = 10;

const within = (value: number, count: number): number => Math.max(0, Math.min(value, count - 1));

/**
 * Makes a grid one stop of the Tab key, in which the arrow keys move the focus, as the ARIA practices describe it.
 * Elements of the grid have the attribute `data-position` with their row and column.
 */
export const useGridFocus = ({ grid, rows, columns, onMove }: GridFocusOptions) => {
  const [position, setPosition] = useState<GridPosition>({ row: 0, column: 1 });
  /** Where the focus moves to. An effect of an earlier render must not use it up. */
  const target = useRef<GridPosition | undefined>(undefined);
  const current = { row: within(position.row, rows), column: within(position.column, columns) };

  // A row that was out of sight exists only after it has been rendered.
  useEffect(() => {
    if (target.current === undefined) return;
    const { row, column } = target.current;
    const element = grid.current?.querySelector<HTMLElement>(`[data-position="${row}:${column}"]`);
    if (!element) return;
    target.current = undefined;
    element.focus({ preventScroll: true });
    element.scrollIntoView({ block: 'nearest', inline: 'nearest' });
  });

  const onKeyDown = (event: KeyboardEvent): void => {
    const isRtl = document.documentElement.dir === 'rtl';
    const next = nextPosition(event, current, { columns, isRtl });
    if (next === undefined) return;
    event.preventDefault();
    const moved = { row: within(next.row, rows), column: within(next.column, columns) };
    target.current = moved;
    setPosition(moved);
    onMove(moved.row);
  };
  const onFocus = ({ target: focused }: { readonly target: EventTarget }): void => {
    const text = focused instanceof HTMLElement ? focused.dataset['position'] : undefined;
    const [row, column] = (text ?? '').split(':').map(Number);
    if (row === undefined || column === undefined) return;
    target.current = undefined;
    setPosition({ row, column });
  };
  return { position: current, onKeyDown, onFocus };
};

const nextPosition = (
  { key, ctrlKey }: KeyboardEvent,
  { row, column }: GridPosition,
  { columns, isRtl }: { readonly columns: number; readonly isRtl: boolean },
): GridPosition | undefined => {
  const forward = isRtl ? -1 : 1;
  const moves: Readonly<Record<string, GridPosition>> = {
    ArrowDown: { row: row + 1, column },
    ArrowUp: { row: row - 1, column },
    ArrowRight: { row, column: column + forward },
    ArrowLeft: { row, column: column - forward },
    PageDown: { row: row + PAGE_ROWS, column },
    PageUp: { row: row - PAGE_ROWS, column },
    Home: { row: ctrlKey ? 0 : row, column: 0 },
    End: { row: ctrlKey ? Number.MAX_SAFE_INTEGER : row, column: columns - 1 },
  };
  return moves[key];
};
