import type { UnitState } from '@pennon/statistics/fold';

import type { Cell } from '../store/event-store.ts';
import { settledCell, stateCell } from './groups.ts';
import type { MeasuredRun } from './measured-runs.ts';
import { packState, PIECE_BYTES, unpackState } from './packed-state.ts';
import { settledState, withoutSettled } from './settled-units.ts';
import { bytesOfUnit } from './units.ts';

/** Where states are read from. */
export type States = { readonly load: Load; readonly partitions: number };

export type Load = (cells: readonly Cell[]) => Promise<readonly (string | undefined)[]>;

export type Writes = {
  readonly set: (cell: Cell, value: string) => void;
  readonly remove: (cell: Cell) => void;
};

/** Returns the packed states of units in one piece. Units without one are left out. */
export const loadPacked = async (
  load: Load,
  run: string,
  units: readonly string[],
): Promise<Map<string, string>> => {
  const packed = new Map<string, string>();
  let open = units;
  for (let piece = 0; open.length > 0; piece += 1) {
    const found = await load(open.map(unit => stateCell(run, unit, piece)));
    open.forEach((unit, at) => {
      const next = found[at];
      if (next !== undefined) packed.set(unit, (packed.get(unit) ?? '') + next);
    });
    open = open.filter((_, at) => found[at]?.length === PIECE_BYTES);
  }
  return packed;
};

const piecesOf = (packed = ''): number => Math.ceil(packed.length / PIECE_BYTES);

/** Writes the state of a unit, and removes the pieces that it no longer has. */
export const writeState = (
  { set, remove }: Writes,
  run: MeasuredRun,
  { unit, state, before }: { unit: string; state: UnitState; before: string | undefined },
): void => {
  const pieces = packState(state, run);
  pieces.forEach((piece, at) => set(stateCell(run.run, unit, at), piece));
  for (let at = pieces.length; at < piecesOf(before); at += 1) remove(stateCell(run.run, unit, at));
};

/** Returns the cells of a packed state. */
export const cellsOfState = (run: string, unit: string, packed: string): Cell[] =>
  Array.from({ length: piecesOf(packed) }, (_, piece) => stateCell(run, unit, piece));

/** Returns the states of units whose values are final. */
export const loadSettled = async (
  { load, partitions }: States,
  run: MeasuredRun,
  units: readonly string[],
): Promise<Map<string, UnitState>> => {
  const cells = units.map(unit => settledCell(run.run, bytesOfUnit(unit), partitions));
  const texts = await load(cells);
  return new Map(
    units.flatMap((unit, at) => {
      const state = settledState(texts[at] ?? '', bytesOfUnit(unit), run);
      return state === undefined ? [] : [[unit, state] as const];
    }),
  );
};

/** Returns what is stored of a unit in a run. */
export const loadUnitState = async (
  states: States,
  run: MeasuredRun,
  unit: string,
): Promise<UnitState | undefined> => {
  const packed = (await loadPacked(states.load, run.run, [unit])).get(unit);
  if (packed !== undefined) return unpackState(packed, run);
  return (await loadSettled(states, run, [unit])).get(unit);
};

/** Changes the texts of settled units, each once. Units are bytes. */
export const changeSettled = async <Unit extends { readonly bytes: string }>(
  { load, partitions }: States,
  run: string,
  units: readonly Unit[],
  change: (text: string, unit: Unit) => string,
): Promise<(Cell & { readonly value: string })[]> => {
  const cellOf = ({ bytes }: Unit): Cell => settledCell(run, bytes, partitions);
  const byField = [...Map.groupBy(units, unit => cellOf(unit).field).values()];
  const cells = byField.flatMap(([first]) => (first === undefined ? [] : [cellOf(first)]));
  const texts = await load(cells);
  return cells.flatMap((cell, at) => {
    const before = texts[at] ?? '';
    const value = (byField[at] ?? []).reduce(change, before);
    return value === before ? [] : [{ ...cell, value }];
  });
};

/** Removes all that is stored of units in a run. */
export const eraseStates = async (
  states: States,
  { set, remove }: Writes,
  run: string,
  units: readonly string[],
): Promise<void> => {
  for (const [unit, packed] of await loadPacked(states.load, run, units))
    for (const cell of cellsOfState(run, unit, packed)) remove(cell);
  const bytes = units.map(unit => ({ bytes: bytesOfUnit(unit) }));
  const changed = await changeSettled(states, run, bytes, (text, unit) =>
    withoutSettled(text, unit.bytes),
  );
  for (const { value, ...cell } of changed) set(cell, value);
};
