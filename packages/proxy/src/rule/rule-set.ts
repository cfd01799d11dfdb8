export class RuleSet {}
