import { Dialog } from '@base-ui/react/dialog';
import { Link } from '@tanstack/react-router';
import { useRef } from 'react';

import { t } from '../i18n/i18n.ts';
import { PALETTE_KEYS } from './keys.ts';

type ShortcutHelpProps = { readonly isOpen: boolean; readonly onClose: () => void };

const shortcuts = (): readonly (readonly [keys: string, what: string])[] => [
  [PALETTE_KEYS, t('palette.open')],
  ['/', t('search.label')],
  ['n', t('newFlag.title')],
  ['g f', t('flags.title')],
  ['g s', t('segments.title')],
  ['g c', t('compare.title')],
  ['g a', t('audit.title')],
  ['g e', t('settings.page.environments')],
  ['?', t('shortcuts.title')],
];

/** All shortcuts, and the place that turns single letters off. */
export const ShortcutHelp = ({ isOpen, onClose }: ShortcutHelpProps) => {
  const close = useRef<HTMLButtonElement>(null);
  return (
    <Dialog.Root open={isOpen} onOpenChange={open => open || onClose()}>
      <Dialog.Portal>
        <Dialog.Backdrop className="backdrop" />
        <Dialog.Popup className="dialog" initialFocus={close}>
          <div className="review">
            <Dialog.Title className="dialog-title">{t('shortcuts.title')}</Dialog.Title>
            <dl className="shortcuts">
              {shortcuts().map(([keys, what]) => (
                <div key={keys}>
                  <dt>
                    <kbd>{keys}</kbd>
                  </dt>
                  <dd>{what}</dd>
                </div>
              ))}
            </dl>
            <Link to="/settings/account" onClick={onClose}>
              {t('shortcuts.off')}
            </Link>
            <div className="actions">
              <Dialog.Close ref={close} className="button">
                {t('shortcuts.close')}
              </Dialog.Close>
            </div>
          </div>
        </Dialog.Popup>
      </Dialog.Portal>
    </Dialog.Root>
  );
};
