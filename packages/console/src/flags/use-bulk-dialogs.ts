import { useState } from 'react';

import type { BulkChange } from './bulk-bar.tsx';
import type { Row } from './overview.ts';

/** A change of several flags that a dialog shows before it is made. */
export type OpenBulkChange = {
  readonly change: Exclude<BulkChange, { readonly kind: 'switch' }>;
  readonly rows: readonly Row[];
  /** Each dialog begins with empty fields. */
  readonly number: number;
};

/** Which dialog to copy, tag or delete flags is open. */
export const useBulkDialogs = () => {
  const [opened, setOpened] = useState<OpenBulkChange>();
  const [isOpen, setIsOpen] = useState(false);
  return {
    opened,
    isOpen,
    open: (change: OpenBulkChange['change'], rows: readonly Row[]): void => {
      setOpened({ change, rows, number: (opened?.number ?? 0) + 1 });
      setIsOpen(true);
    },
    close: () => setIsOpen(false),
  };
};
