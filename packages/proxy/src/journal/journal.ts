export class Journal {}
