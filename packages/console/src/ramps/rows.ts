import { useState } from 'react';

/** A row of a form, with an identity that stays when others are removed. */
export type FormRow<Values> = { readonly id: number; readonly values: Values };

export type FormRows<Values> = {
  readonly rows: readonly FormRow<Values>[];
  readonly add: (values: Values) => void;
  readonly remove: (id: number) => void;
};

/** Rows that a person adds and removes. Their inputs keep what is entered. */
export const useRows = <Values>(initial: readonly Values[]): FormRows<Values> => {
  const [rows, setRows] = useState(() => initial.map((values, id) => ({ id, values })));
  const [nextId, setNextId] = useState(initial.length);
  return {
    rows,
    add(values) {
      setRows([...rows, { id: nextId, values }]);
      setNextId(nextId + 1);
    },
    remove: id => setRows(rows.filter(each => each.id !== id)),
  };
};
