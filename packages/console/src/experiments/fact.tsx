import type { ReactNode } from 'react';

type FactProps = { readonly name: string; readonly children: ReactNode };

/** One of a list of facts. */
export const Fact = ({ name, children }: FactProps) => (
  <div>
    <dt>{name}</dt>
    <dd>
      <bdi>{children}</bdi>
    </dd>
  </div>
);
