import { useId, type ReactNode } from 'react';

import { describeError } from '../app/pages.tsx';
import { t } from '../i18n/i18n.ts';

type SectionProps = {
  readonly title: string;
  readonly hint?: string | undefined;
  readonly action?: ReactNode;
  readonly children: ReactNode;
};

/** A part of a page with a title, and what can be added to it. */
export const Section = ({ title, hint, action, children }: SectionProps) => {
  const id = useId();
  return (
    <section className="section" aria-labelledby={id}>
      <header className="section-header">
        <h2 id={id}>{title}</h2>
        {action}
      </header>
      {hint !== undefined && <p className="hint">{hint}</p>}
      {children}
    </section>
  );
};

type LoadedProps<Data> = {
  readonly query: {
    readonly data: Data | undefined;
    readonly error: Error | null;
    readonly refetch: () => Promise<unknown>;
  };
  readonly children: (data: Data) => ReactNode;
};

/** Shows what a query has read, or why it has not. */
export const Loaded = <Data,>({ query, children }: LoadedProps<Data>) => {
  const { data, error, refetch } = query;
  if (data !== undefined) return children(data);
  if (error === null) return <p role="status">{t('app.loading')}</p>;
  return (
    <>
      <p role="alert">{describeError(error)}</p>
      <button type="button" className="button" onClick={() => void refetch()}>
        {t('app.retry')}
      </button>
    </>
  );
};

type ItemListProps<Item> = {
  readonly items: readonly Item[];
  /** Shown if there are no items. */
  readonly empty: string;
  readonly children: (item: Item) => ReactNode;
};

export const ItemList = <Item,>({ items, empty, children }: ItemListProps<Item>) =>
  items.length === 0 ? (
    <p className="hint">{empty}</p>
  ) : (
    <ul className="items">{items.map(children)}</ul>
  );

type ListItemProps = {
  readonly title: ReactNode;
  /** Shown below the title. Empty ones are left out. */
  readonly about: readonly (string | null | undefined)[];
  /** Shown below the item, over its whole width. */
  readonly below?: ReactNode;
  readonly children?: ReactNode;
};

/** One item of a list, with what can be done with it. */
export const ListItem = ({ title, about, below, children }: ListItemProps) => (
  <li className="item">
    <div className="item-about">
      <strong>{title}</strong>
      {about
        .filter(text => text != null && text !== '')
        .map(text => (
          <span key={text} className="hint">
            <bdi>{text}</bdi>
          </span>
        ))}
    </div>
    <div className="item-actions">{children}</div>
    {below !== undefined && below !== false && <div className="item-below">{below}</div>}
  </li>
);

type ActionButtonProps = {
  /** Why the person may not do it. Undefined if they may. */
  readonly reason?: string | undefined;
  readonly label?: string;
  readonly onClick: () => void;
  readonly children: string;
};

/** A button that is grey, with the reason, if the person may not do it. */
export const ActionButton = ({ reason, label, onClick, children }: ActionButtonProps) => (
  <button
    type="button"
    className="button"
    aria-disabled={reason !== undefined}
    aria-label={label}
    title={reason}
    onClick={() => {
      if (reason === undefined) onClick();
    }}
  >
    {children}
  </button>
);
