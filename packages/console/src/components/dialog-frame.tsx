import { Dialog } from '@base-ui/react/dialog';
import type { ReactNode, RefObject } from 'react';

export type DialogFrameProps = {
  readonly isOpen: boolean;
  readonly title: string;
  /** What the dialog is for, below its title. */
  readonly hint?: string | undefined;
  readonly size?: 'normal' | 'wide' | 'palette';
  /** Whether only its buttons and Escape close the dialog. */
  readonly disablesPointerDismissal?: boolean;
  /** What has the focus at first, instead of the first element that can have it. */
  readonly initialFocus?: RefObject<HTMLElement | null>;
  readonly onClose: () => void;
  /** Rendered while the dialog is open. */
  readonly children: ReactNode;
};

const CLASSES = { normal: 'dialog', wide: 'dialog wide', palette: 'dialog palette' } as const;

/** A dialog over the page. Its code is large, so `Dialog` loads it when the first dialog opens. */
export const DialogFrame = (props: DialogFrameProps) => {
  const { isOpen, title, hint, size = 'normal', initialFocus, onClose, children } = props;
  return (
    <Dialog.Root
      open={isOpen}
      onOpenChange={open => open || onClose()}
      disablePointerDismissal={props.disablesPointerDismissal === true}
    >
      <Dialog.Portal>
        <Dialog.Backdrop className="backdrop" />
        <Dialog.Popup className={CLASSES[size]} initialFocus={initialFocus}>
          <Dialog.Title className={size === 'palette' ? 'sr-only' : 'dialog-title'}>
            {title}
          </Dialog.Title>
          {hint !== undefined && <Dialog.Description className="hint">{hint}</Dialog.Description>}
          {children}
        </Dialog.Popup>
      </Dialog.Portal>
    </Dialog.Root>
  );
};
