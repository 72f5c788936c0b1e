import { t } from '../i18n/i18n.ts';
import type { DialogFrameProps } from './dialog-frame.tsx';
import { Later, lazyPart } from './part.tsx';

const Frame = lazyPart(async () => (await import('./dialog-frame.tsx')).DialogFrame);

/** A dialog over the page. */
export const Dialog = (props: DialogFrameProps) => (
  <Later isNeeded={props.isOpen}>
    <Frame {...props} />
  </Later>
);

export const CancelButton = ({ onClick }: { readonly onClick: () => void }) => (
  <button type="button" className="button" onClick={onClick}>
    {t('review.cancel')}
  </button>
);
